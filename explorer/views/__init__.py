"""What panels are made from. No Qt.

- :mod:`~explorer.views.positions`, :mod:`~explorer.views.cells`: maps over the picture, one number a cell; :mod:`~explorer.views.mosaic`:
  several of them in one pane.
- :mod:`~explorer.views.items`: channels, layers, classes, boxes: bars, tiles, tables, curves; and matrices of two of them.
- :mod:`~explorer.views.walk`: step by step.
- :mod:`~explorer.views.predictions`: classes and Grad-CAM.
- :mod:`~explorer.views.passes`: a network over a frame; :mod:`~explorer.views.detections`: the detector that panels share.
- :mod:`~explorer.views.knobs`: controls that many panels have; :mod:`~explorer.views.said`: numbers as formulas have them.
"""
