"""One module per figure; `bench.figures.catalogue` lists them."""
