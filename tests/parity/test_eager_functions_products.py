"""Products, linear algebra and Fourier transforms of the eager face against torch's, in float64."""

import pytest
import torch

from funcvision import eager

from .eager_rows import assert_row, floats, integers, positive
from .test_eager_functions_elementwise import by

V, W, A, B = floats(4), floats(4, seed=1), floats(3, 4), floats(4, 5)
S, BS, C = floats(4, 4), floats(2, 4, 4), floats(4, 4, dtype="complex64")
P = S @ S.T + S.T @ S + 0.5 * floats(4, 4) * 0
H = C @ C.conj().T + C
B1, B2 = floats(2, 3, 4), floats(2, 4, 5)
N = integers(-5, 5, 3, 4)


def la(name, *args, **options):
    """The function of `linalg` of this name, given more arguments."""
    return lambda t, *tensors: getattr(t.linalg, name)(*tensors, *args, **options)


def fft(name, *args, **options):
    return lambda t, *tensors: getattr(t.fft, name)(*tensors, *args, **options)


def up_to_sign(name, *args, **options):
    """The absolute values of what a decomposition gives, because signs of its vectors are free."""
    return lambda t, *tensors: [part.abs() for part in getattr(t.linalg, name)(*tensors, *args, **options)]


def symmetric(x):
    return x @ x.mT + x.mT @ x


ROWS = {
    "dot": (by("dot"), V, W), "vdot": (by("vdot"), C[0], C[1]), "inner": (by("inner"), A, S),
    "outer": (by("outer"), V, A[:, 0]), "inner number": (by("inner"), A, floats()), "ger": (by("ger"), V, W),
    "mv": (by("mv"), A, V), "mm": (by("mm"), A, B), "mm of integers": (by("mm"), N, N.T), "bmm": (by("bmm"), B1, B2),
    "kron": (by("kron"), A, B[:2, :2]), "addmm": (by("addmm", beta=0.5, alpha=2), A[:, :1], A, B),
    "addmm 0": (by("addmm", beta=0), A[:, :1] * float("nan"), A, B), "addmv": (by("addmv", alpha=3), A[:, 0], A, V),
    "addr": (by("addr", beta=2), S, V, W), "addbmm": (by("addbmm", alpha=0.5), A[:, :1], B1, B2),
    "baddbmm": (by("baddbmm", beta=2), B1[..., :1], B1, B2),
    "addmm of integers": (by("addmm", alpha=2), N[:, :3], N, N.T), "tensordot": (by("tensordot", 1), A, B),
    "tensordot axes": (by("tensordot", ([0, 2], [1, 0])), B1, floats(4, 2)), "cross": (by("cross"), A, A + 1),
    "cross dim": (by("cross", dim=-1), floats(2, 3), floats(1, 3)), "linalg.cross": (la("cross", dim=0), A, A[:, :1]),
    "vecdot": (la("vecdot"), C, C[:1]), "cdist": (by("cdist"), A, S), "cdist 1": (by("cdist", 1.0), B1, B1[:1]),
    "cdist inf": (by("cdist", float("inf")), A, S), "cdist 0": (by("cdist"), A, A),
    "cdist of nothing": (by("cdist"), A[:0], S), "einsum": (lambda t, x, y: t.einsum("ij, jk -> ki", x, y), A, B),
    "einsum trace": (lambda t, x: t.einsum("ii", x), S),
    "einsum batch": (lambda t, x, y: t.einsum("...ij,...jk", [x, y]), B1, B2),
    "einsum of lists": (lambda t, x, y: t.einsum(x, [0, 1], y, [1, 2], [0, 2]), A, B),
    "multi_dot": (lambda t, x, y, v: t.linalg.multi_dot([x, y, v]), A, B, floats(5)),
    "chain_matmul": (lambda t, x, y, z: t.chain_matmul(x, y, z), A, B, B.T),
    # norms
    **{f"vector_norm {p}": (la("vector_norm", p, 1), A) for p in (0, 0.5, 1, 2, 3.5, float("inf"))},
    **{f"matrix_norm {p}": (la("matrix_norm", p), BS) for p in ("fro", "nuc", 1, -1, 2, -2, float("inf"))},
    "vector_norm complex": (la("vector_norm", dim=(0, 1), keepdim=True), C), "norm": (la("norm"), B1),
    "norm of matrices": (la("norm", "nuc", (2, 0), True), B1), "norm 1": (la("norm", 1), A),
    "norm dim": (la("norm", 3, 0), A), "cond": (la("cond"), S), "cond -2": (la("cond", -2), BS),
    "cond fro": (lambda t, x: t.linalg.cond(x.detach(), "fro"), S),
    # determinants, inverses, powers
    "det": (la("det"), BS), "det singular": (la("det"), A.T[:, :3] @ A[:, [0, 1, 1, 2]] * 0),
    "complex det": (by("det"), C), "slogdet": (lambda t, x: t.linalg.slogdet(x)[1], BS),
    "slogdet sign": (lambda t, x: t.slogdet(x.detach()), BS), "logdet": (by("logdet"), P),
    "logdet negative": (lambda t, x: t.logdet(x.detach()), BS), "inv": (la("inv"), BS), "complex inv": (la("inv"), C),
    "inv_ex": (la("inv_ex"), S), "inverse": (by("inverse"), S), "pinv": (la("pinv"), A), "pinv tall": (la("pinv"), B2),
    "pinv atol": (la("pinv", atol=1.5), S),
    "pinv hermitian": (lambda t, x: t.linalg.pinv(symmetric(x), hermitian=True), S), "pinverse": (by("pinverse"), A),
    "matrix_power": (la("matrix_power", 3), BS), "matrix_power 0": (la("matrix_power", 0), S),
    "matrix_power -2": (la("matrix_power", -2), S), "matrix_exp": (la("matrix_exp"), BS),
    "matrix_rank": (la("matrix_rank"), A @ S), "matrix_rank tol": (la("matrix_rank", atol=1.0, rtol=0.1), BS),
    "matrix_rank hermitian": (la("matrix_rank", hermitian=True), P),
    # decompositions
    "qr": (la("qr"), B2.swapaxes(-1, -2)), "qr r": (lambda t, x: t.linalg.qr(x, "r")[1].detach(), A),
    "torch.qr": (by("qr"), S), "qr complete": (lambda t, x: t.linalg.qr(x.detach(), "complete"), B.T),
    "svdvals": (la("svdvals"), B1), "svd": (up_to_sign("svd", full_matrices=False), A),
    "svd full": (lambda t, x: [p.abs() for p in t.linalg.svd(x)][1], A),
    "svd full U": (lambda t, x: t.linalg.svd(x)[0].abs(), A),
    "svd full Vh": (lambda t, x: t.linalg.svd(x)[2][:3].abs(), A),
    "torch.svd": (lambda t, x: [p.abs() for p in t.svd(x)], B1),
    "svd without vectors": (lambda t, x: t.svd(x.detach(), compute_uv=False), A),
    "eigh": (lambda t, x: [p.abs() for p in t.linalg.eigh(symmetric(x))], BS), "eigvalsh": (la("eigvalsh"), P),
    "eigh lower": (lambda t, x: t.linalg.eigh(x)[0], S), "eigvalsh upper": (la("eigvalsh", "U"), S),
    "complex eigh": (lambda t, x: [p.abs() for p in t.linalg.eigh(x @ x.mH)], C),
    "eig": (lambda t, x: t.linalg.eig(x)[0].abs().sort(-1)[0], S),
    "eigvals": (lambda t, x: (t.linalg.eigvals(x).abs() ** 2).sum(-1), BS),
    "eigenvectors": (lambda t, x: (t.linalg.eig(x)[1].abs() ** 3).sum((-1, -2)), S), "cholesky": (la("cholesky"), P),
    "cholesky upper": (lambda t, x: t.linalg.cholesky(symmetric(x), upper=True), BS),
    "cholesky half": (lambda t, x: t.linalg.cholesky(x.detach()), P + 0 * S),
    "complex cholesky": (lambda t, x: t.linalg.cholesky(x @ x.mH), C), "cholesky_ex": (la("cholesky_ex"), P),
    "torch.cholesky": (by("cholesky"), P), "cholesky_solve": (lambda t, b, x: t.cholesky_solve(b, x.tril()), B, P),
    "cholesky_solve upper": (lambda t, b, x: t.cholesky_solve(b, x.triu(), True), B, P),
    "cholesky_inverse": (lambda t, x: t.cholesky_inverse(x.tril()), P), "geqrf": (lambda t, x: t.geqrf(x.detach()), B),
    "householder_product": (la("householder_product"), B2.swapaxes(-1, -2)[..., :3], floats(2, 3)),
    "orgqr": (by("orgqr"), B[:, :3], floats(3)), "ormqr": (by("ormqr", True, True), B[:, :3], floats(3), B),
    "lu_factor": (la("lu_factor"), BS), "lu": (la("lu"), B2), "lu tall": (la("lu"), B.T), "torch.lu": (by("lu"), S),
    "lu_unpack": (lambda t, x: t.lu_unpack(*t.linalg.lu_factor(x)), B2), "lu_factor_ex": (la("lu_factor_ex"), S),
    "lu_solve": (lambda t, x, b: t.linalg.lu_solve(*t.linalg.lu_factor(x), b), BS, B),
    "lu_solve left": (lambda t, x, b: t.linalg.lu_solve(*t.linalg.lu_factor(x), b, left=False, adjoint=True), S, A),
    "torch.lu_solve": (lambda t, x, b: t.lu_solve(b, *t.linalg.lu_factor(x)), BS, B),
    # solvers
    "solve": (la("solve"), BS, B), "solve vector": (la("solve"), S, V), "solve vectors": (la("solve"), BS, A[:2]),
    "solve left": (la("solve", left=False), S, A), "solve_ex": (la("solve_ex"), S, B),
    "solve_triangular": (la("solve_triangular", upper=True), BS, B),
    "solve_triangular left": (la("solve_triangular", upper=False, left=False, unitriangular=True), S, A),
    "triangular_solve": (by("triangular_solve", False, True), B, S),
    "lstsq": (lambda t, x, b: t.linalg.lstsq(x, b)[0], B.T, floats(5, 2)),
    "lstsq gels": (lambda t, x, b: t.linalg.lstsq(x.detach(), b.detach(), driver="gelsd"), B.T, floats(5, 2)),
    "lstsq parts": (lambda t, x, b: t.linalg.lstsq(x.detach(), b.detach()), B.T, floats(5, 2)),
    "lstsq wide": (lambda t, x, b: t.linalg.lstsq(x, b)[0], B1, floats(2, 3, 2)),
    "tensorinv": (la("tensorinv", 1), floats(6, 2, 3)),
    "tensorsolve": (la("tensorsolve"), floats(2, 3, 6), floats(2, 3)), "vander": (la("vander", N=3), A),
    "vander 0": (la("vander"), V), "linalg.diagonal": (la("diagonal", offset=1), BS),
    "linalg.matmul": (la("matmul"), B1, B2),
    # Fourier transforms
    **{
        f"{name} {norm}": (fft(name, norm=norm), C)
        for name, norm in zip(
            ("fft", "ifft", "irfft", "hfft", "fft2", "ifftn", "irfft2", "hfftn"),
            (None, "ortho", "forward", "backward") * 2,
        )
    },
    **{
        f"{name} real": (fft(name, norm="ortho"), S)
        for name in ("fft", "rfft", "ihfft", "rfft2", "rfftn", "ihfft2", "ihfftn")
    },
    **{f"{name} n": (fft(name, 6, 0), S) for name in ("fft", "ifft", "rfft", "ihfft", "irfft", "hfft")},
    **{f"{name} s": (fft(name, (3, 6), (1, 0)), C) for name in ("fftn", "ifft2", "irfftn", "hfft2")},
    "rfftn s": (fft("rfftn", s=(5,)), A), "fftn dim": (fft("fftn", dim=1), B1), "fft of integers": (fft("fft"), N),
    "stft": (lambda t, x, w: t.stft(x, 8, window=w.detach(), return_complex=True), floats(2, 33), positive(8)),
    "stft options": (
        lambda t, x, w: t.stft(
            x, 9, 3, 5, w.detach(), pad_mode="constant", normalized=True, onesided=False, return_complex=True,
        ),
        floats(33), positive(5),
    ),
    "stft pairs": (lambda t, x: t.stft(x, 8, center=False, return_complex=False), floats(33)),
    "istft": (
        lambda t, x, w: t.istft(t.stft(x, 8, window=w.detach(), return_complex=True), 8, window=w.detach()),
        floats(2, 32), positive(8),
    ),
    "istft length": (lambda t, x: t.istft(x, 6, 2, length=11, normalized=True), floats(4, 6, dtype="complex64")),
    "svd_lowrank": (lambda t, x: t.svd_lowrank(x.detach(), 4)[1], A),
    "pca_lowrank": (lambda t, x: t.pca_lowrank(x.detach(), 3)[1], B), "fftshift": (fft("fftshift"), B),
    "ifftshift": (fft("ifftshift", 1), B),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_products(name):
    assert_row(*ROWS[name], x64=True)


def test_frequencies():
    assert eager.fft.fftfreq(5, 0.5).tolist() == pytest.approx(torch.fft.fftfreq(5, 0.5).tolist())
    assert eager.fft.rfftfreq(6).tolist() == pytest.approx(torch.fft.rfftfreq(6).tolist())
