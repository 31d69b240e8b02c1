"""Attention before and beside transformers: what "Attention is all you need" (2017) could take for granted.

recurrent: sequence-to-sequence with attention, additive (Bahdanau et al. 2014, arXiv:1409.0473) and multiplicative (Luong
et al. 2015, arXiv:1508.04025). target_attention: one query over a list, as in recommenders (Deep Interest Network, Zhou et
al. 2018, arXiv:1706.06978). Small trained ones are in `assets/forerunners`; `files` reads them, and

    python -m models.forerunners bahdanau

makes one again. Beside the letters of `models`: N width of a recurrent state, M width of its word vectors.
"""
