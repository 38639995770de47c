"""Pictures of surfaces with signals, curves, points and arrows; needs matplotlib and no display.

save_scene(Scene().surface(vertices, faces, values=f).curves([path]), "picture.png")

Whole figures in one call each: `figure_signal`, `figure_kernel`, `figure_convolution`, `figure_carried`, `figure_loop`,
`figure_exponential`, `figure_admissible`, `figure_kernels`, `figure_frame_field`, `figure_commuting_square`,
`figure_holonomy`.
"""

from manifoldconv.plot.admissible import figure_admissible, figure_kernel
from manifoldconv.plot.camera import Camera
from manifoldconv.plot.carried import figure_carried
from manifoldconv.plot.color import ColorScale
from manifoldconv.plot.exponential import figure_exponential
from manifoldconv.plot.field import figure_frame_field, figure_signal
from manifoldconv.plot.figure import figure_convolution, save_scene
from manifoldconv.plot.holonomy import figure_holonomy
from manifoldconv.plot.kernels import figure_kernels
from manifoldconv.plot.light import Light
from manifoldconv.plot.loop import figure_loop
from manifoldconv.plot.scene import Scene
from manifoldconv.plot.square import figure_commuting_square

__all__ = [
    "Camera",
    "ColorScale",
    "Light",
    "Scene",
    "figure_admissible",
    "figure_carried",
    "figure_commuting_square",
    "figure_convolution",
    "figure_exponential",
    "figure_frame_field",
    "figure_holonomy",
    "figure_kernel",
    "figure_kernels",
    "figure_loop",
    "figure_signal",
    "save_scene",
]
