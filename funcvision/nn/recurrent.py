"""Recurrent layers and their cells, with torch's parameters and gate order.

A layer projects the inputs of all time steps in one matrix product and then scans over time. A cell computes one step.
"""

import math
import warnings
from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.ad_checkpoint import checkpoint_name

from .. import functional as F
from . import init
from .module import Module, Param

__all__ = ["GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNBase", "RNNCell", "RNNCellBase"]

State = tuple[jax.Array, ...]
Step = Callable[[jax.Array, jax.Array, State], State]
Nonlinearity = Literal["tanh", "relu"]


# A step takes the projections of the input and of the hidden state, each [..., gates * hidden_size], and the state. It
# returns the next state.


def _tanh_step(from_input: jax.Array, from_hidden: jax.Array, state: State) -> State:
    return (jnp.tanh(from_input + from_hidden),)


def _relu_step(from_input: jax.Array, from_hidden: jax.Array, state: State) -> State:
    return (F.relu(from_input + from_hidden),)


def _lstm_step(from_input: jax.Array, from_hidden: jax.Array, state: State) -> State:
    _, cell = state
    enter, forget, candidate, leave = jnp.split(from_input + from_hidden, 4, axis=-1)
    cell = jax.nn.sigmoid(forget) * cell + jax.nn.sigmoid(enter) * jnp.tanh(candidate)
    return jax.nn.sigmoid(leave) * jnp.tanh(cell), cell


def _gru_step(from_input: jax.Array, from_hidden: jax.Array, state: State) -> State:
    (hidden,) = state
    input_reset, input_update, input_new = jnp.split(from_input, 3, axis=-1)
    hidden_reset, hidden_update, hidden_new = jnp.split(from_hidden, 3, axis=-1)
    new = jnp.tanh(input_new + jax.nn.sigmoid(input_reset + hidden_reset) * hidden_new)
    update = jax.nn.sigmoid(input_update + hidden_update)
    return ((1 - update) * new + update * hidden,)


class _Kind(NamedTuple):
    """A kind of recurrent network.

    Attributes:
        step: computes one time step.
        gates: the projections have `gates * hidden_size` features.
        state_names: the names of the arrays of a state, for errors.
    """

    step: Step
    gates: int
    state_names: tuple[str, ...] = ("hx",)


_KINDS = {
    "RNN_TANH": _Kind(_tanh_step, 1), "RNN_RELU": _Kind(_relu_step, 1), "GRU": _Kind(_gru_step, 3),
    "LSTM": _Kind(_lstm_step, 4, ("h_0", "c_0")),
}
_MODE_OF_NONLINEARITY = {"tanh": "RNN_TANH", "relu": "RNN_RELU"}


def _rnn_mode(nonlinearity: Nonlinearity) -> str:
    if nonlinearity not in _MODE_OF_NONLINEARITY:
        raise ValueError(f"nonlinearity={nonlinearity!r}; give 'tanh' or 'relu'")
    return _MODE_OF_NONLINEARITY[nonlinearity]


class RNNBase(Module):
    """The base of `RNN`, `LSTM` and `GRU`.

    Args:
        mode: "RNN_TANH", "RNN_RELU", "LSTM" or "GRU".
        input_size: as in `RNN`, like the next six.
        hidden_size: features of the hidden state.
        num_layers: the number of layers.
        bias: whether there are biases.
        batch_first: whether the batch is the first axis.
        dropout: the probability of dropout between layers, in training.
        bidirectional: add a network that reads the input of each layer backwards.
        proj_size: as in `LSTM`; 0 for the other modes.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self, mode: str, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0,
    ):
        if mode not in _KINDS:
            raise ValueError(f"mode={mode!r}; give one of {', '.join(_KINDS)}")
        if proj_size and mode != "LSTM":
            raise ValueError(f"proj_size={proj_size} is for the LSTM only; mode={mode!r}")
        gates = _KINDS[mode].gates
        if min(input_size, hidden_size, num_layers) < 1:
            raise ValueError(
                f"sizes must be positive; got {input_size=}, {hidden_size=}, {num_layers=}"
            )
        if not 0 <= proj_size < hidden_size:
            raise ValueError(f"proj_size={proj_size} must be less than hidden_size={hidden_size}, or 0 for none")
        if not 0 <= dropout <= 1:
            raise ValueError(f"dropout={dropout} is not a probability from 0 to 1")
        if dropout and num_layers == 1:
            warnings.warn(f"dropout={dropout} has no effect with num_layers=1: it acts between layers", stacklevel=5)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.batch_first, self.dropout, self.bidirectional = batch_first, dropout, bidirectional
        self.proj_size, self.mode = proj_size, mode
        bound = 1 / math.sqrt(hidden_size)
        within = init.uniform(-bound, bound)
        output_size = proj_size or hidden_size
        for layer in range(num_layers):
            features = output_size * len(self._suffixes(0)) if layer else input_size
            for suffix in self._suffixes(layer):
                self._declare(f"weight_ih{suffix}", (gates * hidden_size, features), within)
                self._declare(f"weight_hh{suffix}", (gates * hidden_size, output_size), within)
                if bias:
                    self._declare(f"bias_ih{suffix}", (gates * hidden_size,), within)
                    self._declare(f"bias_hh{suffix}", (gates * hidden_size,), within)
                if proj_size:
                    self._declare(f"weight_hr{suffix}", (proj_size, hidden_size), within)

    def _suffixes(self, layer: int) -> list[str]:
        """The suffixes of the parameter names of one layer, one for each direction."""
        return [f"_l{layer}", f"_l{layer}_reverse"] if self.bidirectional else [f"_l{layer}"]

    def _declare(self, name: str, shape: tuple[int, ...], initializer: init.Initializer) -> None:
        setattr(self, name, Param(shape, initializer, "OI->IO" if len(shape) == 2 else None))

    def forward(self, x: jax.Array, hx: Any = None, lengths: jax.Array | None = None) -> tuple[jax.Array, Any]:
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            layout = "batch, length" if self.batch_first else "length, batch"
            raise ValueError(
                f"{type(self).__name__} takes [{layout}, {self.input_size}] or [length, {self.input_size}]; "
                f"got shape {x.shape}"
            )
        batched = x.ndim == 3
        if not batched:
            x = x[:, None]
        elif self.batch_first:
            x = x.swapaxes(0, 1)
        states = self._initial_states(x, hx, batched)
        inside = None if lengths is None else self._inside(x, lengths)

        last: list[State] = []
        for layer in range(self.num_layers):
            if layer and self.training and self.dropout > 0:
                x = F.dropout(x, self.dropout, key=self.random_key())
            outputs = []
            for suffix in self._suffixes(layer):
                state, output = self._scan(x, tuple(s[len(last)] for s in states), suffix, inside)
                outputs.append(output)
                last.append(state)
            x = jnp.concatenate(outputs, axis=-1)

        final = tuple(jnp.stack(parts) for parts in zip(*last, strict=True))
        if not batched:
            x, final = x[:, 0], tuple(part[:, 0] for part in final)
        elif self.batch_first:
            x = x.swapaxes(0, 1)
        return x, final if len(states) > 1 else final[0]

    def _inside(self, x: jax.Array, lengths: jax.Array) -> jax.Array:
        """Whether each time step [length, batch, 1] belongs to a sequence, and not to the padding behind it."""
        if lengths.shape != (x.shape[1],):
            raise ValueError(
                f"{type(self).__name__} takes one length for each of the {x.shape[1]} sequences; got lengths of shape "
                f"{lengths.shape}"
            )
        steps = jnp.arange(x.shape[0], dtype=lengths.dtype)
        return (steps[:, None] < lengths[None, :])[..., None]

    def _scan(
        self, x: jax.Array, state: State, suffix: str, inside: jax.Array | None
    ) -> tuple[State, jax.Array]:
        """Runs one layer in one direction: (final state, hidden states [length, batch, features] in order of time)."""
        weight_hh, bias_hh = getattr(self, f"weight_hh{suffix}"), getattr(self, f"bias_hh{suffix}", None)
        weight_hr, step = getattr(self, f"weight_hr{suffix}", None), _KINDS[self.mode].step

        def advance(state: State, inputs: tuple[jax.Array, jax.Array | None]) -> tuple[State, jax.Array]:
            from_input, is_inside = inputs
            state = tuple(checkpoint_name(array, "state") for array in state)  # so that `remat` can store it
            hidden, *rest = step(from_input, F.linear(state[0], weight_hh, bias_hh), state)
            if weight_hr is not None:
                hidden = F.linear(hidden, weight_hr)
            if is_inside is None:
                return (hidden, *rest), hidden
            following = zip((hidden, *rest), state, strict=True)
            return tuple(jnp.where(is_inside, new, old) for new, old in following), jnp.where(is_inside, hidden, 0)

        from_input = F.linear(x, getattr(self, f"weight_ih{suffix}"), getattr(self, f"bias_ih{suffix}", None))
        return lax.scan(advance, state, (from_input, inside), reverse=suffix.endswith("_reverse"))

    def _initial_states(self, x: jax.Array, hx: Any, batched: bool) -> State:
        """The given state or zeros. Each array is [layers * directions, batch, features]."""
        count = self.num_layers * len(self._suffixes(0))
        names = _KINDS[self.mode].state_names
        sizes = (self.proj_size or self.hidden_size, self.hidden_size)[: len(names)]
        if hx is None:
            return tuple(jnp.zeros((count, x.shape[1], size), x.dtype) for size in sizes)
        states = _as_tuple(type(self).__name__, names, hx)
        for name, state, size in zip(names, states, sizes, strict=True):
            shape = (count, x.shape[1], size) if batched else (count, size)
            _check_state(type(self).__name__, name, state, shape, x.dtype)
        return states if batched else tuple(state[:, None] for state in states)


def _as_tuple(layer: str, names: tuple[str, ...], hx: Any) -> State:
    states = (hx,) if len(names) == 1 else tuple(hx)
    if len(states) != len(names):
        raise ValueError(f"{layer} takes hx=({', '.join(names)}); got {len(states)} arrays")
    return states


def _check_state(layer: str, name: str, state: jax.Array, shape: tuple[int, ...], dtype: Any) -> None:
    if state.shape != shape or state.dtype != dtype:
        raise ValueError(f"{layer} needs {name} of {dtype}{list(shape)} here; got {state.dtype}{list(state.shape)}")


class RNN(RNNBase):
    """Elman's recurrent network, `h = tanh(x @ weight_ih + bias_ih + h @ weight_hh + bias_hh)`, over sequences.

    Args:
        input_size: features of the input.
        hidden_size: features of the hidden state.
        num_layers: the number of layers. The input of each is the output of the one before.
        nonlinearity: "tanh" or "relu".
        bias: whether there are biases `bias_ih_l0`, `bias_hh_l0`, ...
        batch_first: input and output are [batch, length, features]. By default they are [length, batch, features].
        dropout: the probability of dropout between layers, in training.
        bidirectional: add a network that reads the input of each layer backwards. The outputs are concatenated.

    It is called with the input and optionally `hx`, the initial hidden states [num_layers * directions, batch,
    hidden_size] (zeros by default). It returns the hidden states of the last layer at all time steps, and the final
    hidden states of all layers, of the shape of `hx`. The batch axis may be left out of the input and `hx`; in `hx` it
    is never first. Parameters have torch's names, `weight_ih_l0`, `weight_hh_l0_reverse`, ..., and weights are stored
    as [in, out].

    Sequences of different lengths are padded at their ends, and the third argument of the call, `lengths` [batch], says
    where they end. Then the final states are those at the ends, the other direction begins there, and the outputs
    behind them are 0.

    Raises:
        ValueError: an option is out of range; on a call, an input or state of another shape, or a state of another
            dtype than the input.
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: Nonlinearity = "tanh",
        bias: bool = True, batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False,
    ):
        self.nonlinearity = nonlinearity
        super().__init__(
            _rnn_mode(nonlinearity), input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional
        )


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter and Schmidhuber 1997, https://doi.org/10.1162/neco.1997.9.8.1735).

    Arguments are those of `RNN`, and `proj_size`: if it is not 0, `weight_hr_l0` projects hidden states to this size
    (Sak et al. 2014, https://arxiv.org/abs/1402.1128). `hx` and the second result are pairs (hidden, cell); the cell
    always has `hidden_size` features. Gates are stored in torch's order: input, forget, cell, output.

    >>> lstm = LSTM(3, 8, num_layers=2, bidirectional=True)
    >>> params, state = lstm.init(jax.random.key(0))
    >>> (y, (h, c)), _ = lstm.apply(params, state, jnp.ones((5, 2, 3)))
    >>> y.shape, h.shape
    ((5, 2, 16), (4, 2, 8))
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0,
    ):
        super().__init__(
            "LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size
        )


class GRU(RNNBase):
    """Gated recurrent units (Cho et al. 2014, https://arxiv.org/abs/1406.1078).

    The reset gate multiplies the projection of the hidden state, as in torch; in the paper it multiplies the state.
    Arguments and results are those of `RNN`. Gates are stored in torch's order: reset, update, new.
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False,
    ):
        super().__init__("GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)


class RNNCellBase(Module):
    """The base of cells: one step of a recurrent network, for inputs [..., input_size].

    Args:
        input_size: features of the input.
        hidden_size: features of the hidden state.
        bias: whether there are biases.
        num_chunks: the projections have `num_chunks * hidden_size` features.

    A subclass defines `step`, and `state_names` if its state has several arrays.
    """

    state_names: ClassVar[tuple[str, ...]] = ("hx",)

    def __init__(self, input_size: int, hidden_size: int, bias: bool, num_chunks: int):
        self.input_size, self.hidden_size = input_size, hidden_size
        bound = 1 / math.sqrt(hidden_size)
        within = init.uniform(-bound, bound)
        self.weight_ih = Param((num_chunks * hidden_size, input_size), within, "OI->IO")
        self.weight_hh = Param((num_chunks * hidden_size, hidden_size), within, "OI->IO")
        self.bias_ih = Param((num_chunks * hidden_size,), within) if bias else None
        self.bias_hh = Param((num_chunks * hidden_size,), within) if bias else None

    def step(self, from_input: jax.Array, from_hidden: jax.Array, state: State) -> State:
        """The next state, from the state and the projections of the input and of the hidden state."""
        raise NotImplementedError(f"{type(self).__name__} has no step: use RNNCell, LSTMCell or GRUCell, or define it")

    def forward(self, x: jax.Array, hx: Any = None) -> Any:
        layer, shape = type(self).__name__, (*x.shape[:-1], self.hidden_size)
        if x.shape[-1:] != (self.input_size,):
            raise ValueError(f"{layer} takes [..., {self.input_size}]; got shape {x.shape}")
        if hx is None:
            states = tuple(jnp.zeros(shape, x.dtype) for _ in self.state_names)
        else:
            states = _as_tuple(layer, self.state_names, hx)
            for name, state in zip(self.state_names, states, strict=True):
                _check_state(layer, name, state, shape, x.dtype)
        from_hidden = F.linear(states[0], self.weight_hh, self.bias_hh)
        states = self.step(F.linear(x, self.weight_ih, self.bias_ih), from_hidden, states)
        return states if len(self.state_names) > 1 else states[0]


class RNNCell(RNNCellBase):
    """One step of `RNN`: from `x` [..., input_size] and `hx` [..., hidden_size], zeros by default, to a new state."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: Nonlinearity = "tanh"):
        self.nonlinearity, self.mode = nonlinearity, _rnn_mode(nonlinearity)
        super().__init__(input_size, hidden_size, bias, num_chunks=1)

    def step(self, from_input: jax.Array, from_hidden: jax.Array, state: State) -> State:
        return _KINDS[self.mode].step(from_input, from_hidden, state)


class LSTMCell(RNNCellBase):
    """One step of `LSTM`: from `x` [..., input_size] and (hidden, cell), zeros by default, to a new pair."""

    state_names = ("h_0", "c_0")

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True):
        super().__init__(input_size, hidden_size, bias, num_chunks=4)

    def step(self, from_input: jax.Array, from_hidden: jax.Array, state: State) -> State:
        return _lstm_step(from_input, from_hidden, state)


class GRUCell(RNNCellBase):
    """One step of `GRU`: from `x` [..., input_size] and `hx` [..., hidden_size], zeros by default, to a new state."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True):
        super().__init__(input_size, hidden_size, bias, num_chunks=3)

    def step(self, from_input: jax.Array, from_hidden: jax.Array, state: State) -> State:
        return _gru_step(from_input, from_hidden, state)
