package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// givenUp is how long it takes until the suite no longer waits for a gateway to answer.
const givenUp = 15 * time.Second

// recovered returns how long after a fault, which ended at since, the last of the gateways gave its first answer from
// the service.
func (s *stage) recovered(ctx context.Context, since time.Time) (time.Duration, error) {
	took, errs := make([]time.Duration, len(s.fronts)), make([]error, len(s.fronts))
	var all sync.WaitGroup
	for i, front := range s.fronts {
		all.Go(func() { took[i], errs[i] = firstAnswer(ctx, "http://"+front.Listen, since) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return max(took[0], took[1]), nil
}

// firstAnswer reads a key until there is an answer, each time on a new connection.
func firstAnswer(ctx context.Context, url string, since time.Time) (time.Duration, error) {
	client := &http.Client{Timeout: 500 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
	var latest error
	for ctx.Err() == nil && time.Since(since) < givenUp {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v1/values/recovered", http.NoBody)
		if err != nil {
			return 0, err
		}
		req.Header.Set("X-Api-Key", apiKey)
		res, err := client.Do(req)
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK || res.StatusCode == http.StatusNotFound {
				return time.Since(since), nil
			}
			err = fmt.Errorf("GET answers %s", res.Status)
		}
		latest = err
		pause(ctx, 10*time.Millisecond)
	}
	return 0, fmt.Errorf("no answer %v after the fault: %w", givenUp, latest)
}
