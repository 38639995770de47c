"""Triangle meshes as Riemannian manifolds: flat triangles glued along their edges."""
