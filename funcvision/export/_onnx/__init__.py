"""Conversion to ONNX, by jax2onnx. This package has one door: `converted`.

Who calls whom:

    conversion.py      traces a function, makes a `Program` of it, and gives what is left of it to jax2onnx
      patches.py       the only file that changes anything of jax2onnx, or of our own functions, during a conversion
      program.py       the list of operations, without those that depend on the weights alone
      rules.py         which rule replaces which operation
        computing.py   rules for convolutions, products, elementwise operations, reductions, pooling
        shaping.py     rules for operations that move elements
          operators.py adds operators of ONNX to a program, and moves them ahead of transpositions
"""

from .conversion import converted

__all__ = ["converted"]
