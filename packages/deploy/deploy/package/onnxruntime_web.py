"""The release of onnxruntime-web that the page of a package runs on, pinned by hash.

The page uses two files of the npm package: the module for WebAssembly alone, with its loader inside, and the program. A
package has them unchanged, so everybody can compare them with the published ones.
"""

from deploy.package.manifest import UINT8, Manifest, PackageError

NAME, VERSION = "onnxruntime-web", "1.30.0"
RELEASE = f"{NAME} {VERSION}"
TARBALL = (  # SHA-512 of the file in the npm registry: `npm view onnxruntime-web@1.30.0 dist.integrity`, in hexadecimal
    "ab4cbe26baedba45d2cec05610c71c55fa97db92d19a8b171c5f8269126683ca"
    "590a5cdc57bb2f35ce2b298de32f4d956fb42644c0ecd528a0a91e025c07ca61"
)
FILES = {  # name below dist/ in the npm package -> SHA-256
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
WEB = "web"  # the folder of the page in a package, and the page's entry in the manifest
PAGE = f"{WEB}/index.html"
SERVE, ADDRESS = "python -m http.server", f"http://localhost:8000/{WEB}/"


def facts() -> dict[str, str]:
    """The manifest's entry for the page."""
    return {"page": PAGE, "runtime": RELEASE}


def check_page(manifest: Manifest, place: object) -> str:
    """A line about the page. Raises `PackageError` if it is not whole, or if it has another release of the runtime."""
    if UINT8 not in manifest.facts or PAGE not in manifest.files:
        raise PackageError(f"{place}: its page lacks {PAGE if UINT8 in manifest.facts else UINT8}")
    for name, expected in FILES.items():
        if manifest.files.get(f"{WEB}/{name}") != expected:
            raise PackageError(f"{place}/{WEB}/{name}: is not the file of {RELEASE}")
    return f"{WEB}: the page has {RELEASE} as npm publishes it"
