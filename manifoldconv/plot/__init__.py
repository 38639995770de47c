"""Pictures of surfaces with signals, curves, points and arrows; needs matplotlib and no display.

save_scene(Scene().surface(vertices, faces, values=f).curves([path]), "picture.png")
"""

from manifoldconv.plot.camera import Camera
from manifoldconv.plot.color import ColorScale
from manifoldconv.plot.figure import figure_convolution, save_scene
from manifoldconv.plot.light import Light
from manifoldconv.plot.scene import Scene

__all__ = ["Camera", "ColorScale", "Light", "Scene", "figure_convolution", "save_scene"]
