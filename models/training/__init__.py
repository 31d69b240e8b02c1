"""Training on text files: recipes, corpora, tokens, the trainer. `python -m models.training --help`."""
