"""Charge-domain computing in memory: an array of capacitors and its converters, in integers.

A bit-exact model of the hardware in ``hdl/cim``, including mismatch, noise and every decision of
the converters. It emulates an analog macro; it is not a design of that macro.

The data path, from a matrix product to codes and back (``C`` columns, ``N`` units deep):

1. **Slices** (:mod:`.decompose`). Weights ``w[out, k]`` become digits ``d[p, out, k]`` of weight
   ``a[p]``, activations ``u[token, k]`` (unsigned) digits ``e[q, token, k]`` of weight ``b[q]``:
   ``sum_k w u = sum_pq a[p] b[q] sum_k d e``. A tile has ``G = C // P`` outputs: output ``o``,
   slice ``p`` is in physical column ``(o mod G) * P + p``; element ``k`` in unit ``k mod N`` of
   tile ``k // N`` (:mod:`models.cim.golden.weight_layout`).
2. **Column sum** (:mod:`.die`). ``s = sum_k e * c(d)``, exact; ``c(d)`` is the sum of the cell's
   integer capacitors, in units of ``2**-F`` of the nominal capacitor. One count is ``2**F``.
3. **Conversion** (:mod:`models.cim.golden.adc`). Successive approximation, the highest bit first:
   ``keep the bit if s + sampling + noise[bit] >= threshold[column, code with the bit]``, where
   ``threshold = base[column] + sum of weight[column, bit] + bow[code]``: all integers in units of
   ``2**-F`` count, computed once per layer from die, ADC step and ADC offset.
4. **Noise** (:mod:`.noise`). A hash of (die, run, conversion, column), one byte per decision.
5. **Reconstruction** (:mod:`models.cim.golden.macro`).
   ``y = (step * sum_tpq a b decode[column, code] + offset * 2**8 * sum_tpq a b + half) >> 8 + F``
   where ``decode`` is ``code * 2**8``, or a table from calibration (:mod:`.calibrate`).
"""
