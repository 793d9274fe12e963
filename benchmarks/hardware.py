"""What a result was measured on: processor, cores, memory, system, versions, load."""

import os
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path


def describe(packages: tuple[str, ...]) -> dict:
    """Date, hardware and versions, for the head of a result file.

    The load average at the start tells whether the machine was quiet: above 1 it was not, and
    wall-clock figures say little.
    """
    return {
        "date": date.today().isoformat(),
        "hardware": {
            "cpu": _cpu(),
            "cores": os.cpu_count(),
            "memory_gb": _memory_gb(),
            "system": platform.system(),
            "load_average_at_start": _load(),
        },
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in packages},
    }


def _cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, ValueError, OSError):
        return None


def _load() -> float | None:
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
