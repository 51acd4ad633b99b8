"""Speed, measured side by side, and the tables that are rendered from records.

This package stands on `catdog`; nothing of `catdog` but its command stands on it.
"""

import catdog  # noqa: F401  before TensorFlow, whose settings it makes
