"""WHY: which features a number of the model came from, by gradients and by what truly happens without them.

metrics -> gradients (with freezes) -> attribute -> result; true_effect asks the model itself. graph/ is about the files in
which others publish such attributions.
"""
