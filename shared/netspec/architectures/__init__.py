"""One file a family; each reads like its paper: variants, block, network."""
