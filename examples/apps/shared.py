"""What the apps show: made once for all visitors of a process, as any module is. Put your own model, SAE and index here."""

import saewidgets as sw

engine = sw.load_demo()
index = sw.load_demo_index(engine)
feature = 2717  # days of the week
text = "My favourite day of the week is Monday."
