"""Many trainings compared: one change at a time, a search, VGG16 step by step."""
