"""panel serve examples/apps/panel_app.py"""

import base64
import sys
from pathlib import Path

import panel as pn
from shared import engine, feature, index, text

import saewidgets as sw

# Panel would fetch anywidget's script from a public server, though it is here.
script = Path(sys.prefix, "share/jupyter/nbextensions/anywidget/index.js").read_bytes()
CDN = f"data:text/javascript;base64,{base64.b64encode(script).decode()}#"


class Pane(pn.pane.IPyWidget):
    def _get_ipywidget(self, *args, **kwargs):
        return super()._get_ipywidget(*args, cdn=CDN, **kwargs)


def bench():
    shown = sw.explore(engine, index, feature=feature, text=text)
    pn.state.on_session_destroyed(lambda _: shown.close())  # Panel would keep it
    return Pane(shown, sizing_mode="stretch_width")


pn.extension("ipywidgets")
bench().servable(title="Features")
