"""From the index of clips to batches: decode, cache, compute features, split, shuffle, augment."""
