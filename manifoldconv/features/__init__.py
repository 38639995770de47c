"""Input features for networks: what of a mesh's geometry a network reads, and what that does not depend on."""

from manifoldconv.features.catalogue import CATALOGUE, Feature, Features, feature_type, features_of
from manifoldconv.features.spectrum import Spectrum, heat_kernel_signature, spectrum

__all__ = [
    "CATALOGUE",
    "Feature",
    "Features",
    "Spectrum",
    "feature_type",
    "features_of",
    "heat_kernel_signature",
    "spectrum",
]
