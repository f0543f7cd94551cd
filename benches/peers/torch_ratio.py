"""Ratios to PyTorch in one run: matrix products and training epochs.

    python benches/peers/torch_ratio.py [ROUNDS]

Needs a Python with torch, and the workspace's cargo. Ours and torch's alternate, so that both
see the same machine; each round prints its ratio, and the last line of each row the median.
A ratio above 1 means that ours is faster. Both sides use the best of their repetitions.
"""

import os
import statistics
import subprocess
import sys
import time

import torch

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def ours(package, example, threads):
    """The lines that an example prints."""
    subprocess.run(
        ["cargo", "build", "--release", "--quiet", "-p", package, "--example", example],
        cwd=ROOT,
        check=True,
    )
    out = subprocess.run(
        ["cargo", "run", "--release", "--quiet", "-p", package, "--example", example],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "RAYON_NUM_THREADS": str(threads)},
    )
    return out.stdout.splitlines()


def torch_gemm(m, k, n):
    """GFLOP/s of F.linear."""
    x, w = torch.randn(m, k), torch.randn(n, k)
    best = float("inf")
    for _ in range(60):
        started = time.perf_counter()
        torch.nn.functional.linear(x, w)
        best = min(best, time.perf_counter() - started)
    return 2 * m * k * n / best / 1e9


def torch_epoch(widths, batch=128, samples=60_000):
    """Seconds of an epoch with SGD and momentum, shuffled; the best of three."""
    torch.manual_seed(0)
    inputs, labels = torch.rand(samples, 784), torch.randint(0, 10, (samples,))
    layers = []
    for before, after in zip(widths, widths[1:]):
        layers += [torch.nn.Linear(before, after), torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        order = torch.randperm(samples)
        for i in range(0, samples, batch):
            rows = order[i : i + batch]
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(inputs[rows]), labels[rows])
            loss.backward()
            optimizer.step()
        best = min(best, time.perf_counter() - started)
    return best


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    ratios = {}
    for _ in range(rounds):
        for threads in (1, 2):
            torch.set_num_threads(threads)
            for line in ours("compress-core", "gemm", threads):
                shape, found = line.split()
                peer = torch_gemm(*map(int, shape.split("x")))
                name = f"gemm_f32/{shape}/t{threads}"
                ratios.setdefault(name, []).append(float(found) / peer)
                print(f"{name:36} {float(found):7.1f} {peer:7.1f} GFLOP/s {float(found) / peer:5.2f}")
        torch.set_num_threads(2)
        for line in ours("compress-nn", "epoch", 2):
            if not line.startswith("["):
                continue
            widths, rest = line[1:].split("]: ")
            seconds = float(rest.split()[0])
            widths = [int(width) for width in widths.split(",")]
            peer = torch_epoch(widths)
            name = "epoch/" + "-".join(map(str, widths))
            ratios.setdefault(name, []).append(peer / seconds)
            print(f"{name:36} {seconds:7.3f} {peer:7.3f} s       {peer / seconds:5.2f}")
    print("\nmedian ratio to torch")
    for name, values in ratios.items():
        print(f"{name:36} {statistics.median(values):5.2f}")


if __name__ == "__main__":
    main()
