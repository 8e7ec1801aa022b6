"""Published figures of other systems, to be drawn beside our own estimates.

Facts as their authors state them, at their clocks: nothing here was measured by us. A resource that
a publication does not give is None; what is worked out from what it gives says so in ``derived``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

__all__ = ["ANCHORS", "Anchor", "anchors_of"]

RESNET_18_GMAC = 1.81
XC7Z020_LUTS, XC7Z045_LUTS = 53_200, 218_600


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """A system as published: one network on one device.

    Attributes
    ----------
    device : beginning of the part's name
    fps : images a second
    clock_mhz : of its array
    lut, dsp, bram36 : resources, None where not stated
    derived : which figures follow from others that are stated, and how
    verified : False where the figure was not read again in its source
    """

    system: str
    network: str
    device: str
    precision: str
    clock_mhz: float
    fps: float
    lut: float | None = None
    dsp: float | None = None
    bram36: float | None = None
    source: str
    derived: str = ""
    verified: bool = True

    @property
    def cycles(self) -> float:
        """Cycles an image, which clocks do not change: clock by images a second."""
        return self.clock_mhz * 1e6 / self.fps


AUTO_VIT_ACC = "Li et al., Auto-ViT-Acc, FPL 2022, arXiv 2208.05163"
VAQF = "Sun et al., VAQF, 2022, arXiv 2201.06618"
ILMPQ = "Chang et al., ILMPQ, 2021, arXiv 2111.00155, and RMSMP, ICCV 2021"
MSQ = "Chang et al., Mix and Match (MSQ), HPCA 2021"
MSD = "MSD: mixing signed digit representations, FCCM 2023"
FILM_QNN = "Sun et al., FILM-QNN, FPGA 2022"
DPU = "Vitis AI, DPUCZDX8G on the ZCU102: published performance table"
FPGACONVNET = "MLPerf Tiny v1.1 results: fpgaConvNet"


def _fps(gops: float) -> float:
    return gops / (2 * RESNET_18_GMAC)


FROM_GOPS = f"images a second from GOPS, at {RESNET_18_GMAC} GMAC an image"
FROM_SHARE = "LUTs from their share of the device"

_ZCU102_150: dict[str, Any] = {"device": "xczu9eg", "clock_mhz": 150.0}
_ZCU102_DPU: dict[str, Any] = {"device": "xczu9eg", "clock_mhz": 281.0}
_Z020_100: dict[str, Any] = {"device": "xc7z020", "clock_mhz": 100.0}
_Z020_143: dict[str, Any] = {"device": "xc7z020", "clock_mhz": 143.0}

ANCHORS = (
    Anchor(
        system="Auto-ViT-Acc", network="deit-base", precision="W4A4, 40 % of rows PoT W3A4",
        fps=56.4, lut=179e3, dsp=1555, source=AUTO_VIT_ACC, **_ZCU102_150,
    ),
    Anchor(
        system="Auto-ViT-Acc", network="deit-small", precision="W4A4, 43 % of rows PoT",
        fps=155.8, lut=193e3, dsp=1549, source=AUTO_VIT_ACC, **_ZCU102_150,
    ),
    Anchor(
        system="Auto-ViT-Acc", network="deit-base", precision="W8A8",
        fps=25.9, lut=128e3, dsp=2066, source=AUTO_VIT_ACC, **_ZCU102_150,
    ),
    Anchor(
        system="Auto-ViT-Acc", network="deit-base", precision="W8A8 and W4A8 PoT",
        fps=34.0, lut=186e3, dsp=1556, source=AUTO_VIT_ACC, **_ZCU102_150,
    ),
    Anchor(
        system="VAQF", network="deit-base", precision="W1A8",
        fps=24.8, lut=143e3, dsp=1564, source=VAQF, verified=False, **_ZCU102_150,
    ),
    Anchor(
        system="VAQF", network="deit-base", precision="W1A6",
        fps=31.6, lut=144e3, dsp=1564, source=VAQF, verified=False, **_ZCU102_150,
    ),
    Anchor(
        system="RMSMP, ILMPQ", network="resnet-18", precision="60:35:5 of PoT 4, fixed 4, fixed 8",
        fps=1000 / 40.7, lut=0.57 * XC7Z020_LUTS, dsp=220, source=ILMPQ, verified=False,
        derived=f"images a second from 40.7 ms; {FROM_SHARE}", **_Z020_100,
    ),
    Anchor(
        system="RMSMP, ILMPQ", network="resnet-18", precision="65:30:5 of PoT 4, fixed 4, fixed 8",
        fps=1000 / 8.6, lut=0.67 * XC7Z045_LUTS, dsp=900, source=ILMPQ, verified=False,
        derived=f"images a second from 8.6 ms; {FROM_SHARE}", device="xc7z045", clock_mhz=100.0,
    ),
    Anchor(
        system="MSQ", network="resnet-18", precision="W4A4, SP2 and fixed",
        fps=_fps(77.0), lut=28.3e3, dsp=220, source=MSQ, derived=FROM_GOPS, **_Z020_100,
    ),
    Anchor(
        system="MSD", network="resnet-18", precision="signed digits, A8",
        fps=_fps(138.3), lut=38.1e3, dsp=214, source=MSD, derived=FROM_GOPS, **_Z020_100,
    ),
    Anchor(
        system="FILM-QNN", network="resnet-18", precision="W4A5, 5 % W8A5",
        fps=214.8, lut=180e3, dsp=2092, source=FILM_QNN, **_ZCU102_150,
    ),
    Anchor(
        system="FILM-QNN", network="resnet-50", precision="W4A5, 5 % W8A5",
        fps=109.1, lut=180e3, dsp=2092, source=FILM_QNN, **_ZCU102_150,
    ),
    Anchor(
        system="Vitis DPU 3xB4096", network="resnet-18", precision="int8",
        fps=478, dsp=2100, source=DPU, derived="DSP slices rounded", **_ZCU102_DPU,
    ),
    Anchor(
        system="Vitis DPU 3xB4096", network="resnet-50", precision="int8",
        fps=173.6, dsp=2100, source=DPU, derived="DSP slices rounded", **_ZCU102_DPU,
    ),
    Anchor(
        system="Vitis DPU 3xB4096", network="mobilenet-v2", precision="int8",
        fps=734, dsp=2100, source=DPU, derived="DSP slices rounded", **_ZCU102_DPU,
    ),
    Anchor(
        system="fpgaConvNet", network="resnet-8", precision="int8",
        fps=2431, lut=47e3, dsp=211, bram36=93, source=FPGACONVNET, **_Z020_143,
    ),
    Anchor(
        system="fpgaConvNet", network="ds-cnn", precision="int8",
        fps=3088, dsp=188, source=FPGACONVNET, **_Z020_143,
    ),
)  # fmt: skip


def anchors_of(network: str, part: str) -> list[Anchor]:
    """Published figures of a network (a workload's name, or a file named like one) on a device."""
    name = PurePath(network).stem if network.endswith(".onnx") else network
    return [a for a in ANCHORS if a.network == name and part.lower().startswith(a.device)]
