"""From the index of clips to batches: decode, cache, features, augmented copies."""
