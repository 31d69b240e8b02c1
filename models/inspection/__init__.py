"""Looking inside a model that runs: what it reads, and where its attention goes. Needs no page; for notebooks too.

from models.inspection.attention import attention_of
from models.inspection.inputs import inputs_of

loaded = models.load("llama-mini")
inputs = inputs_of(loaded.config, loaded.tokenizer, "The cat sat on the mat.")
for group in attention_of(loaded.model, inputs):
    print(group.name, group.probs.shape)                      # (layers, heads, queries, keys)
"""
