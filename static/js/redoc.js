// Redoc on /redoc. Its search would start a worker from a blob, which the page's policy forbids.
const place = document.getElementById("api");

window.Redoc.init(place.dataset.document, { disableSearch: true }, place);
