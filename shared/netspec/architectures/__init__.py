"""One file per family; each reads like its paper: variants, block, network."""
