"""marimo run examples/apps/marimo_app.py"""

import marimo

app = marimo.App(width="full", app_title="Features")


@app.cell
def _():
    import marimo as mo
    import traitlets
    from shared import engine, feature, index, text

    import saewidgets as sw

    browser = sw.FeatureBrowser(index, card=False)
    heatmap = sw.TokenFeatureHeatmap(engine, text, index=index)
    steering = sw.SteeringPanel(engine, index, prompt=text)
    dashboard = sw.FeatureDashboard(engine, index, feature=feature)
    for view in (browser, heatmap, steering):
        traitlets.link((dashboard, "feature"), (view, "feature"))
    mo.hstack([mo.ui.tabs({"Features": browser, "Text": heatmap, "Steering": steering}), dashboard], widths="equal")
    return


if __name__ == "__main__":
    app.run()
