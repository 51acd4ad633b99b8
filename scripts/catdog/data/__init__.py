"""Photos: where they come from, how they are organized, and how they become batches."""
