"""The corpus of the tests of what is said of features."""

TEXTS = ["In the beginning God created the heaven" * 3, "Zwölf Boxkämpfer 日本語 jagen Viktor quer über den Deich"]
