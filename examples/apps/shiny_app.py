"""shiny run examples/apps/shiny_app.py"""

from shared import engine, feature, index, text
from shiny import App, ui
from shinywidgets import output_widget, render_widget

import saewidgets as sw

page = ui.page_fluid(output_widget("bench", fillable=False), title="Features")


def server(input, output, session):
    @render_widget
    def bench():
        return sw.explore(engine, index, feature=feature, text=text)


app = App(page, server)
