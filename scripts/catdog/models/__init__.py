"""The networks, the pretrained backbones with their features, and model files."""
