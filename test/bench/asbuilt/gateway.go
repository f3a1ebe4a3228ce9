package main

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// valueBytes bounds the body of a request.
const valueBytes = 1 << 20

// gateway maps REST to the service.
type gateway struct{ service client }

// entry is the body of requests and responses.
type entry struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

func newGateway(service client, key string) http.Handler {
	g := gateway{service}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/values/{key}", g.get)
	mux.HandleFunc("PUT /v1/values", g.put)
	mux.HandleFunc("DELETE /v1/values/{key}", g.delete)
	return authenticated(key, mux)
}

func authenticated(key string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("X-Api-Key")), []byte(key)) != 1 {
			http.Error(w, "missing or invalid API key", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (g gateway) get(w http.ResponseWriter, r *http.Request) {
	res, err := g.service.Get(r.Context(), &keyvaluev1.GetRequest{Key: r.PathValue("key")})
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, entry{res.GetEntry().GetKey(), res.GetEntry().GetValue()})
}

func (g gateway) put(w http.ResponseWriter, r *http.Request) {
	var e entry
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, valueBytes)).Decode(&e); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, err := g.service.Set(r.Context(), &keyvaluev1.SetRequest{
		Key: e.Key, Content: &keyvaluev1.SetRequest_Value{Value: e.Value},
	})
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, e)
}

func (g gateway) delete(w http.ResponseWriter, r *http.Request) {
	if _, err := g.service.Delete(r.Context(), &keyvaluev1.DeleteRequest{Key: r.PathValue("key")}); err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func answer(w http.ResponseWriter, e entry) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(e) // the caller may have gone
}

func refuse(w http.ResponseWriter, err error) {
	code := http.StatusInternalServerError
	if status.Code(err) == codes.NotFound {
		code = http.StatusNotFound
	}
	http.Error(w, status.Convert(err).Message(), code)
}
