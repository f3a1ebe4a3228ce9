package batching

// Encodable is for the test that looks at each field of each request.
var Encodable = encodable
