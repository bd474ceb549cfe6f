package a

import "example.com/kv"

type output struct {
	Items []string
	Count int
}

func wrong(db *kv.DB, wake chan int) (out output) {
	n := 0
	var names []string
	seen := map[string]bool{}
	db.Update(func(tx *kv.Tx) error {
		n++                                // want `counts n, which outlives`
		n += 2                             // want `adds to n, which outlives`
		names = append(names, "a")         // want `appends to names, which outlives`
		out.Items = append(out.Items, "a") // want `appends to out.Items, which outlives`
		out.Count++                        // want `counts out.Count, which outlives`
		seen["a"] = true                   // want `puts entries into seen, which outlives`
		wake <- 1                          // want `sends on a channel`
		go tx.Put("a")                     // want `starts a goroutine`
		return nil
	})
	return out
}

func right(db *kv.DB, wake chan int) (out output) {
	n := 0
	var names []string
	var last string
	db.Update(func(tx *kv.Tx) error {
		n, names, out = 0, nil, output{}
		n++
		names = append(names, "a")
		out.Items = append(out.Items, "a")
		own := 0
		own++
		seen := map[string]bool{}
		seen["a"] = true
		last = "a"
		for i := 0; i < 3; i++ {
			own += i
		}
		tx.OnCommit(func() { wake <- n })
		return tx.Put(last)
	})
	db.View(func(tx *kv.Tx) error {
		n++ // a View runs once
		return nil
	})
	return out
}
