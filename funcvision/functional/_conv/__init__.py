"""Convolutions as XLA runs them best. This package has one door: `convolve` and `convolve_transposed`.

Who calls whom:

    functional/conv.py          checks the arguments of conv1d ... conv_transpose3d
      primitives.py             three primitives with their derivatives, their rule for `vmap` and their lowerings
        xla.py                  GPU and TPU: `lax.conv_general_dilated` and its transposes
        cpu/choose.py           CPU: picks one of the following by the shapes
          matmul.py             matrix products: 1x1 kernels, patches, one product for each kernel position
          shift_add.py          sums of shifted images: few channels in each group, depthwise kernels
          grouped.py            a dense convolution for each group; calls choose.py again for each
          winograd.py           Winograd's F(2x2, 3x3) and F(4x4, 3x3); cost_model.py says where they are faster
          frames.py             three axes, as convolutions of frames; calls choose.py again for them
          phases.py             gradient with respect to the input, as convolutions of stride 1; calls choose.py again
          kernel_rows.py        gradient with respect to the weight, one matrix product for each row of the kernel
          dense.py              XLA's own convolution, in the forms that run fast on a CPU: the rest
          ../xla.py             what none of these supports, such as integers and sizes of 0

    geometry.py                 `Geometry`: the static sizes and options that all of these take
    cpu/windows.py              slices of an image that meet the kernel's positions; used by most files of cpu/
    cpu/unfused.py              keeps XLA from fusing a computation with its surroundings; used by shift_add.py
"""

from .primitives import convolve, convolve_transposed

__all__ = ["convolve", "convolve_transposed"]
