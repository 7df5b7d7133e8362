package run

import (
	"context"
	"time"

	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/report"
)

// epoch trains on every example once, starting where the state says, and validates. When ctx ends
// it stops only between optimiser steps, where a run can resume.
func (f *loop) epoch(ctx context.Context, rates optim.LRSchedule, steps int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	began := time.Now()
	whole := context.WithoutCancel(ctx)
	f.events.Emit(&report.EpochStart{Epoch: f.st.Epoch + 1, Steps: steps})
	if f.st.Partial == nil {
		f.st.Partial = f.session.Task.NewMetrics()
	}
	groups := f.session.groups(f.st.Epoch)
	done := min(f.st.EpochStep*f.session.Config.Accumulate, len(groups))
	stepBegan, stepLoss, stepMetrics := time.Now(), 0.0, f.session.Task.NewMetrics()
	lr := rates.At(max(f.st.Step-1, 0))
	for done < len(groups) {
		if err := f.reschedule(ctx); err != nil {
			return err
		}
		var sum gradSum
		for b, err := range f.frontier.Train.Batches(whole, groups[done:], f.st.Epoch) {
			if err != nil {
				return err
			}
			loss, step, err := f.forwardBackward(whole, b, stepMetrics)
			if err != nil {
				return err
			}
			step.Update()
			done++
			stepLoss += loss * float64(len(b.Indices))
			grads := sum.add(step.Grads, len(b.Indices), f.session.Config.Accumulate, done == len(groups))
			if grads == nil {
				continue
			}
			lr = rates.At(f.st.Step)
			norm, err := f.update(grads, lr)
			if err != nil {
				return err
			}
			f.st.Step++
			f.st.EpochStep++
			f.stepped()
			f.st.Partial.Merge(stepMetrics)
			e := report.StepEvent{Epoch: f.st.Epoch + 1, Step: f.st.Step, Loss: report.Number(stepLoss / float64(stepMetrics.Examples)), LR: lr, GradNorm: report.Number(norm),
				Examples: stepMetrics.Examples, Seconds: time.Since(stepBegan).Seconds()}
			f.events.Emit(&e)
			f.pause(&e)
			stepBegan, stepLoss, stepMetrics = time.Now(), 0, f.session.Task.NewMetrics()
			if err := ctx.Err(); err != nil {
				return err
			}
			if done < len(groups) && f.due() {
				if err := f.save(); err != nil {
					return err
				}
			}
			if f.holder.enough {
				done = len(groups)
				break
			}
			// the rest of the epoch may use another network
			if done < len(groups) && (f.asks() || f.holder.disturbed) {
				f.holder.disturbed = false
				break
			}
		}
	}
	val, isBest, err := f.judge(ctx)
	if err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	e := report.EpochEvent{Epoch: f.st.Epoch + 1, Step: f.st.Step, TrainLoss: report.Number(f.st.Partial.Loss()), TrainAccuracy: report.Number(f.st.Partial.Accuracy()), TrainMetric: f.st.Partial.Named(),
		Val: val, LR: lr, Best: isBest, Seconds: took, Rate: float64(f.session.Train.Len()) / took, PeakRSS: report.PeakRSS()}
	f.events.Emit(&e)
	f.st.History = append(f.st.History, e)
	f.st.Epoch++
	f.st.EpochStep, f.st.Partial = 0, nil
	if f.due() {
		return f.save()
	}
	return nil
}
