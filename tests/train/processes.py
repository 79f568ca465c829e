"""One process of a run of several: `python -m tests.train.processes PORT NUMBER COUNT OUT SHARD EPOCHS`."""

import pathlib
import sys

import jax
import numpy as np
import optax

from funcvision import train
from funcvision.data import ArrayDataset, DataLoader

from .tiny import ConvNet, batches


def run(out: pathlib.Path, mesh: jax.sharding.Mesh, shard: str | None, epochs: int) -> None:
    """Trains over all devices with global batches of 8 and evaluates on 22 samples; writes parameters and figures."""
    model, rule, optimizer = ConvNet(), train.EMA(0.9), optax.sgd(0.05, momentum=0.9)
    images, labels = batches(1, 40, (8, 8, 3))[0]
    count = jax.process_count()
    loader = DataLoader(ArrayDataset((images, labels)), 8 // count, shuffle=True, num_workers=0)
    test = DataLoader(ArrayDataset((images[:22], labels[:22])), 8 // count, num_workers=0)
    state = train.create(
        model, optimizer, key=jax.random.key(1), ema=rule, mesh=mesh, shard=shard, min_shard_size=16,  # pyright: ignore
    )
    step = train.make_step(model, train.losses.cross_entropy(), optimizer, ema=rule)
    state = train.fit(
        state, step, loader, epochs=epochs, out=out, save_every=3, progress=False,
        evaluate=lambda state: train.evaluate(model, state, test, ema=True),
    )
    whole = jax.sharding.NamedSharding(jax.tree.leaves(state.step)[0].sharding.mesh, jax.sharding.PartitionSpec())
    with jax.set_mesh(whole.mesh):
        arrays = jax.jit(lambda arrays: arrays, out_shardings=whole)({**state.params, **state.state})
    if jax.process_index() == 0:
        np.savez(out / f"arrays{epochs}.npz", **{name: np.asarray(array) for name, array in arrays.items()})


if __name__ == "__main__":
    port, number, count = (int(argument) for argument in sys.argv[1:4])
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"localhost:{port}", count, number)
    run(
        pathlib.Path(sys.argv[4]), jax.make_mesh((len(jax.devices()),), ("data",)),
        None if sys.argv[5] == "none" else sys.argv[5], int(sys.argv[6]),
    )
