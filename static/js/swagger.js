// Swagger UI on /swagger. Requests go to this server alone; a key typed in is forgotten with the page.
const place = document.getElementById("api");

window.SwaggerUIBundle({
  domNode: place,
  url: place.dataset.document,
  validatorUrl: null, // no other host is asked whether the document is valid
  deepLinking: true,
  displayRequestDuration: true,
});
