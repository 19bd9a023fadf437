"""Reports: one HTML file that carries its pictures and plots, and asks nothing of the network."""

import base64
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast._files import whole_file

__all__ = ["Report", "Section", "to_gray8"]

TEMPLATE = Path(__file__).parent / "templates" / "report.html"


class Section:
    """A part of a report: a heading and, one below the other, what was added to it.

    Parameters
    ----------
    title : str
        The heading.

    Examples
    --------
    >>> from medfast.report import Section
    >>> Section("Noise").text("Sigma was 5.").title
    'Noise'
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.blocks: list[dict[str, Any]] = []

    def text(self, *paragraphs: str) -> "Section":
        """Add paragraphs of plain text.

        Parameters
        ----------
        *paragraphs : str
            The text of each.

        Returns
        -------
        Section
            The section itself.
        """
        self.blocks.append({"kind": "text", "paragraphs": paragraphs})
        return self

    def figures(self, figures: dict[str, str]) -> "Section":
        """Add figures to be seen at a glance.

        Parameters
        ----------
        figures : dict
            What each says, and its value.

        Returns
        -------
        Section
            The section itself.
        """
        self.blocks.append({"kind": "figures", "figures": figures})
        return self

    def table(self, header: Sequence[str], rows: Sequence[Sequence[Any]], caption: str = "") -> "Section":
        """Add a table; all columns but the first are numbers.

        Parameters
        ----------
        header : sequence of str
            The columns' names.
        rows : sequence of sequences
            The cells, row by row.
        caption : str, optional
            What the table shows.

        Returns
        -------
        Section
            The section itself.
        """
        self.blocks.append({"kind": "table", "header": header, "rows": rows, "caption": caption})
        return self

    def pictures(self, pictures: dict[str, ArrayLike], *, width: int = 220, caption: str = "") -> "Section":
        """Add pictures side by side.

        Parameters
        ----------
        pictures : dict
            Caption and pixels of each: uint8, gray (M, N) or RGB (M, N, 3).
        width : int, default=220
            Width on the page, in CSS pixels.
        caption : str, optional
            What they show together.

        Returns
        -------
        Section
            The section itself.
        """
        items = [{"caption": name, "source": _png(np.asarray(pixels))} for name, pixels in pictures.items()]
        self.blocks.append({"kind": "pictures", "items": items, "width": width, "caption": caption})
        return self

    def plot(self, figure: Any, caption: str = "", *, width: int = 640) -> "Section":
        """Add a matplotlib figure.

        Parameters
        ----------
        figure : matplotlib.figure.Figure
            The figure; it is drawn at once.
        caption : str, optional
            What it shows.
        width : int, default=640
            Largest width on the page, in CSS pixels.

        Returns
        -------
        Section
            The section itself.
        """
        buffer = io.BytesIO()
        # Without the date and the version, the same figures give the same bytes.
        figure.savefig(buffer, format="png", dpi=144, bbox_inches="tight", metadata={"Software": None})
        self.blocks.append({"kind": "plot", "source": _data_uri(buffer.getvalue()), "width": width, "caption": caption})
        return self


class Report:
    """Sections under a title, written as one HTML file.

    Parameters
    ----------
    title : str
        The title.
    lead : str, optional
        A sentence or two below it.

    Examples
    --------
    >>> from medfast.report import Report
    >>> report = Report("A run")
    >>> _ = report.section("Result").figures({"accuracy": "0.97"}).text("As expected.")
    >>> "0.97" in report.to_html()
    True
    """

    def __init__(self, title: str, lead: str = "") -> None:
        self.title = title
        self.lead = lead
        self.sections: list[Section] = []

    def section(self, title: str) -> Section:
        """Begin a section.

        Parameters
        ----------
        title : str
            Its heading.

        Returns
        -------
        Section
            The section, to be filled.
        """
        self.sections.append(Section(title))
        return self.sections[-1]

    def to_html(self) -> str:
        """Return the page.

        Returns
        -------
        str
            A whole HTML document; all text in it is escaped.
        """
        try:
            import jinja2
        except ImportError as error:
            raise ImportError('reports need Jinja2: pip install "medfast[demo]"') from error
        environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
        template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
        return template.render(title=self.title, lead=self.lead, sections=self.sections)

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the page; the file is there when it is complete, or not at all.

        Parameters
        ----------
        path : str or path
            Where to write.

        Returns
        -------
        Path
            The same path.
        """
        page = self.to_html().encode("utf-8")
        with whole_file(Path(path)) as file:
            file.write(page)
        return Path(path)


def to_gray8(image: ArrayLike, low: float | None = None, high: float | None = None) -> NDArray[np.uint8]:
    """Spread the gray levels of an image over 0 to 255, to be looked at.

    Parameters
    ----------
    image : array_like of shape (M, N)
        The image.
    low, high : float, optional
        Levels that become 0 and 255; the smallest and the largest when omitted.

    Returns
    -------
    ndarray of shape (M, N), dtype uint8
        What to show.

    Examples
    --------
    >>> from medfast.report import to_gray8
    >>> to_gray8([[-1000, 0, 1000]])
    array([[  0, 128, 255]], dtype=uint8)
    """
    values = np.asarray(image, np.float64)
    low = float(values.min()) if low is None else low
    high = float(values.max()) if high is None else high
    return np.rint(np.clip((values - low) / max(high - low, 1e-12), 0.0, 1.0) * 255.0).astype(np.uint8)


def _png(pixels: NDArray[Any]) -> str:
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3):
        raise ValueError(f"pictures must be uint8, gray or RGB, got {pixels.dtype} of shape {pixels.shape}")
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError('reports need Pillow: pip install "medfast[demo]"') from error
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", optimize=True)
    return _data_uri(buffer.getvalue())


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
