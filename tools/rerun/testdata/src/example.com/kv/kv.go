// Package kv has the names that the analyzer looks for.
package kv

type Tx struct{}

func (tx *Tx) Put(key string) error { return nil }
func (tx *Tx) OnCommit(func())      {}

type DB struct{}

func (db *DB) View(fn func(*Tx) error) error   { return fn(&Tx{}) }
func (db *DB) Update(fn func(*Tx) error) error { return fn(&Tx{}) }
