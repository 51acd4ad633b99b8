"""How good a classifier is, how sure one can be of that, and what it looks at."""
