package tsdb

import (
	"context"
	"errors"
	"math"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	engine "github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
)

// lateBlocks tells where the blocks begin that late samples belong into, when
// blocks are width milliseconds long. A chunk says only from when to when its
// samples are, which may be weeks, so each sample is looked at.
func lateBlocks(head *engine.OOOCompactionHead, width int64) (_ map[int64]bool, err error) {
	all := head.CloneForTimeRange(math.MinInt64, math.MaxInt64)
	names, err := all.Index()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, names.Close()) }()
	samples, err := all.Chunks()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, samples.Close()) }()

	l := lateness{names: names, samples: samples, width: width, blocks: make(map[int64]bool)}
	every, any := index.AllPostingsKey()
	found, err := names.Postings(context.Background(), every, any)
	if err != nil {
		return nil, err
	}
	for found.Next() {
		if err := l.series(found.At()); err != nil {
			return nil, err
		}
	}
	return l.blocks, found.Err()
}

// lateness is where late samples are found to be.
type lateness struct {
	names   engine.IndexReader
	samples engine.ChunkReader
	width   int64
	blocks  map[int64]bool

	name   labels.ScratchBuilder
	chunks []chunks.Meta
	reader chunkenc.Iterator
}

// series looks at the late samples of one series.
func (l *lateness) series(ref storage.SeriesRef) error {
	err := l.names.Series(ref, &l.name, &l.chunks)
	if errors.Is(err, storage.ErrNotFound) {
		return nil // it is gone meanwhile
	}
	if err != nil {
		return err
	}
	for _, meta := range l.chunks {
		chunk, merged, err := l.samples.ChunkOrIterable(meta)
		if err != nil {
			return err
		}
		if chunk != nil {
			l.reader = chunk.Iterator(l.reader)
		} else {
			l.reader = merged.Iterator(l.reader)
		}
		for l.reader.Next() != chunkenc.ValNone {
			at := l.reader.AtT()
			l.blocks[at-at%l.width] = true
		}
		if err := l.reader.Err(); err != nil {
			return err
		}
	}
	return nil
}
