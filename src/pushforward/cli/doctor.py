"""`pushforward doctor`."""

import importlib.metadata
import importlib.util
import os
import platform

from pushforward.cli.output import table

__all__ = ["run"]

PACKAGES = {
    "torch": "computes",
    "lightning-fabric": "devices and processes",
    "numba": "compiled optimal transport",
    "POT": "optimal transport",
    "tensorboard": "pushforward train writes events/",
    "pandas": "csv and parquet tables",
    "pillow": "image folders",
    "torchcfm": "bench peer",
    "torchdiffeq": "bench peer",
    "flow-matching": "bench peer",
}


def run() -> None:
    """Machine, devices, packages."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    name = torch.cuda.get_device_name(0) if device == "cuda" else platform.processor() or platform.machine()
    rows = [
        ["python", platform.python_version(), platform.platform()],
        ["processors", str(os.cpu_count()), f"{torch.get_num_threads()} torch threads"],
        ["device", device, f"{name}; would be used unless --device says otherwise"],
        ["data", os.environ.get("PUSHFORWARD_DATA", "not set"), "PUSHFORWARD_DATA, folder of data sets"],
    ]
    for package, use in PACKAGES.items():
        try:
            rows.append([package, importlib.metadata.version(package), use])
        except importlib.metadata.PackageNotFoundError:
            rows.append([package, "missing", f"{use}; pip install {package}"])
    table("this machine", ["what", "found", "for"], rows)
