"""What panels are made from: panes made once, networks and pictures as panels see them. No Qt."""
