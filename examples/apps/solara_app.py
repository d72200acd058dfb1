"""solara run --production examples/apps/solara_app.py"""

import solara
from solara.server.kernel_context import without_context

import saewidgets as sw

with without_context():  # of no visitor: it is everybody's
    from shared import engine, feature, index, text


@solara.component
def Page():
    solara.Title("Features")
    bench = solara.use_memo(lambda: sw.explore(engine, index, feature=feature, text=text), [])
    solara.display(bench)
