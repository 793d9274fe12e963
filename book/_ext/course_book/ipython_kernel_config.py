"""What the kernels of the pages are told: figures are SVG and come out the same every time."""

c = get_config()  # noqa: F821  (IPython defines it)
c.InlineBackend.figure_formats = {"svg"}
c.InlineBackend.print_figure_kwargs = {"bbox_inches": "tight", "metadata": {"Date": None}}
c.HistoryManager.enabled = False
