"""What the command line names in its help: readable without importing Keras."""

RECIPES = {
    "article": "the article's, as its Keras of 2017 trained it",
    "improved": "its network, trained better",
    "fast": "from photos to the article's accuracy in minutes",
    "hour": "a larger network, for an hour or two",
    "best": "the most that a network from scratch gets out of the photos, in a night",
    "article-without-dropout-25": "the article's, without its first dropout",
    "article-without-decay": "with a constant learning rate",
    "article-shear-of-today": "with what its line means to today's Keras",
    "article-resize-of-today": "with pixels interpolated instead of taken",
    "article-bfloat16": "in 16 bits",
    "article-without-stopping": "to its last epoch",
    "ablation-reference": "improved, in a shorter run",
    "without-augmentation": "that, without its stronger augmentation",
    "without-adam": "with SGD",
    "without-one-cycle": "with a constant learning rate",
    "without-centring": "with pixels in [0, 1]",
    "without-smoothing": "with labels as they are",
    "without-averaging": "with the last weights instead of their average",
    "without-large-batch": "with 32 photos a batch",
    "without-bfloat16": "in float32",
    "fast-without-muon": "fast, with SGD",
    "fast-without-growing": "on photos of one size",
    "fast-without-crops": "without random crops",
    "fast-without-smoothing": "with labels as they are",
    "fast-without-averaging": "with the last weights instead of their average",
    "fast-without-slimming": "with a network of nine times as many weights",
}
VGG16_PARTS = {
    "article": "its features and head on labels that were read, five seeds",
    "preprocessing": "the same with VGG's own preprocessing instead of 1/255",
    "assumed-labels": "the labels assumed, first half cats, against the same splits read",
    "averaged": "maps averaged, logistic regression, at 150 and 224 pixels",
    "block5": "the last block fine-tuned, from the maps of block 4",
}
BACKBONES = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2", "vgg16")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16", "fastest")
SEARCHES = ("tpe", "random")
