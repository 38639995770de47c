"""The interactive viewer: pick a point, carry a kernel, draw a loop, see what holonomy does and forbids.

picking      where a line of sight meets the surface
trail        a drawn path, and parallel transport along it
catalogue    field types and kernels on offer
bank         operators for one radius, so that every response comes at once
disc         the exponential disc with a kernel on it
model        what is chosen and drawn, and every action, without a page
shown        what that looks like: colours, curves, arrows, sentences
display      the mesh as a browser gets it
snapshot     the same as a picture, without a browser
page         the page, made with viser
server       its life: port, browser, end
"""
