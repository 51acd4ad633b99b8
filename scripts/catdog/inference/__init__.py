"""Using a trained model: on photos, for Kaggle, as ONNX, as a page in the browser."""
