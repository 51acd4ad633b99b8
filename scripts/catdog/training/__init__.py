"""Recipes, the loop that trains by them, and classifiers on pretrained backbones."""
