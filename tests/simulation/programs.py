"""The program of the simulations: one entry for each thing that a run may do.

What an entry returns does not depend on the order of things, or is one of a few values that the scenario
names (scenarios.py). Arguments of effects are unique to the effect: they begin with the run's own name.
"""

from __future__ import annotations

SOURCE = """
(ns sim (:require [flow.event :as event :refer [receive!]] [flow.lock :as lock :refer [with-lock!]]
            [flow.queue :as queue :refer [defqueue]] [flow.state :as state] [flow.retry :as retry]
            [flow.async :refer :all] [flow.saga :refer [saga! compensate! step+undo!]]))
(defforeign quick [x])
(defforeign slow [x])
(defforeign remote [x])
(defforeign once [x])
(defforeign quick-once [x])
(defforeign refused [x])
(defforeign handed [x] {:queue "work" :retry {:max-attempts 100 :backoff #dur "200ms"} :heartbeat #dur "2s"})

(defn effects [me]
  (loop [i 0 sum 0]
    (if (< i 5)
      (do (now!) (println me i)
          (let [q (quick [i me :quick]) r (remote [i me :remote])]
            (recur (inc i) (+ sum q r))))
      sum)))

(defn slowly [me]
  [(slow [1 me]) (quick [2 me]) (slow [3 me])])

(defn fibers [me]
  [(all! (remote [1 me]) (quick [2 me]) (do (sleep! #dur "200ms") (remote [3 me])))
   (pmap! (fn [i] (remote [i me])) (range 10 14) {:concurrency 2})
   (race! (do (remote [4 me]) :won)
          (try (sleep! #dur "1h") (finally (quick [5 me :cleaning]))))
   (with-timeout! #dur "300ms" {:else :late} (try (sleep! #dur "1h") (finally (remote [6 me :late]))))])

(defn timers [me]
  (loop [i 0 seen []]
    (if (< i 4)
      (do (sleep! (nth [#dur "50ms" #dur "3s" #dur "700ms" #dur "5s"] i))
          (recur (inc i) (conj seen (quick [i me]))))
      seen)))

(defn signals [me]
  (loop [i 0 seen []]
    (if (< i 5)
      (let [s (receive! :go)] (remote [s me :seen]) (recur (inc i) (conj seen s)))
      [seen (receive! :never {:timeout #dur "400ms" :else :nobody})])))

(defn leaf [me i]
  (remote [i me :leaf])
  (sleep! #dur "300ms")
  (if (= i 2) (throw (ex-info "no" {:type :no :i i})) (* 10 i)))

(defn patient [me]
  (try (receive! :never) (finally (remote [1 me :cleaning]))))

(defn children [me]
  (let [runs (mapv (fn [i] (start! leaf [(str me "." i) i])) (range 4))
        endless (start! patient [(str me ".endless")])]
    (let [seen (mapv (fn [run] (try (await! run) (catch :no e (:i (ex-data e))))) runs)]
      (cancel! endless "enough")
      [seen (try (await! endless) (catch :run/cancelled e (ex-message e)))])))

(defn callbacks [me]
  (let [cb (event/callback! {:timeout #dur "1h"})]
    (remote [(:id cb) me :call-back])
    [(event/await-callback! cb) (quick [1 me])]))

(defn counters [me]
  (dotimes [i 2]
    (with-lock! "counter"
      (let [n (or (state/get! "n") 0)]
        (remote [n me :in i])
        (state/put! "n" (inc n)))))
  (state/update! "m" (fnil inc 0))
  :counted)

(defqueue jobs {:concurrency 1})
(defn job [me i] (remote [i me :job]) (sleep! #dur "200ms") (quick [(* i i) me]))
(defn queued [me]
  (mapv await! (mapv (fn [i] (queue/enqueue! jobs job [(str me "." i) i])) (range 3))))

(def soon {:max-attempts 50 :backoff #dur "50ms" :jitter :none})
(defn sagas [me]
  (try
    (saga! {:undo-retry soon}
      (step+undo! [r (remote [1 me :book])] (remote [r me :unbook]))
      (compensate! quick [2 me :forget])
      (remote [3 me :booked])
      (throw (ex-info "full" {:type :full})))
    (catch :full e (mapv :ok (:compensated (ex-data e))))))

(defn steps [me]
  (let [policy (retry/policy {:max-attempts 50 :backoff (retry/constant #dur "100ms") :jitter :none})]
    (step! "outer" {:retry policy}
      (let [a (remote [1 me :in-step]) b (remote [2 me :in-step])] (+ a b (quick [3 me :in-step]))))))

(defn at-most-once [me]
  (mapv (fn [i] (try (perform :sim/once {:args [i me] :at-most-once true :retry :none})
                     (catch :effect/in-doubt e :in-doubt)
                     (catch :sim/away e :away)))
        (range 4)))

(defn once-quickly [me]
  (mapv (fn [i] (try (perform :sim/quick-once {:args [i me] :at-most-once true})
                     (catch :effect/in-doubt e :in-doubt)))
        (range 3)))

(defn topics [me topic]
  (let [s (event/subscribe! topic)]
    (remote [topic me :subscribed])
    (mapv (fn [_] (event/receive! s)) (range 3))))

(defn handing [me]
  [(handed [1 me]) (all! (handed [2 me]) (handed [3 me]) (event/await-shared! (str me "/promise")))])

(defn parked [me]
  (let [first (quick [1 me])] [first (perform :sim/refused {:args [me]}) (remote [2 me])]))

(defn long [me]
  (try
    (loop [i 0]
      (if (< i 8)
        (do (if (odd? i) (sleep! #dur "600ms") (remote [i me :long])) (recur (inc i)))
        :ended))
    (finally (remote [99 me :cleaning]))))

(defn sharing [me name]
  (if (= me name)
    (do (sleep! #dur "500ms") (remote [1 me]) (event/keep-shared! name 42))
    (event/await-shared! name)))

(defn impatient [me]
  (let [first (receive! :go {:timeout #dur "1s" :else :late})]
    (remote [1 me :between])
    [first (receive! :go {:timeout #dur "60s" :else :none})]))

(defn expiring [me]
  (let [cb (event/callback! {:timeout #dur "2s"})]
    (remote [(:id cb) me :call-back])
    (try (event/await-callback! cb) (catch :timeout e (:after (ex-data e))))))

(defn fostering [me]
  (start! patient [(str me ".child")] {:on-parent-end :cancel :id (str me "-child")})
  (remote [1 me :parent])
  :gone)

(defn growing [me]
  (loop [i 0 m (into {} (map (fn [k] [k (* k k)]) (range 90)))]
    (if (< i 6)
      (recur (inc i) (assoc m (+ 1000 i) (remote [i me :growing])))
      [(count m) (reduce + (map second m))])))

(defn channels [me]
  (let [in (chan) out (chan 2)]
    (go! (doseq [i (range 5)] (>! in (remote [i me :in]))) (close! in))
    (pipeline! 2 out (map (fn [i] (quick [i me :through]))) in)
    (loop [seen []] (let [v (<! out)] (if (nil? v) seen (recur (conj seen v)))))))

(defn leased [me]
  (with-lock! "leased" {:lease #dur "2s"}
    (remote [(lock/token) me :token])
    (sleep! #dur "1s")
    (remote [(lock/token) me :token-again]))
  :left)

(defn families [me depth]
  (if (= depth 0)
    (remote [1 me :leaf])
    (reduce + (pmap! (fn [i] (await! (start! families [(str me "." i) (dec depth)]))) (range 2)))))

(defn till [me n]
  (loop [i 0 sum 0]
    (if (< i n)
      (let [r (event/receive-request! :sell)]
        (remote [i me :sale])
        (event/reply! r {:sold (:value r)})
        (recur (inc i) (+ sum (:value r))))
      sum)))
(defn asking [me]
  (let [t (start! till [(str me ".till") 3])]
    [(mapv (fn [i] (:sold (event/ask! t :sell i))) (range 1 4)) (await! t)]))

(defn cut-short [me]
  [(with-timeout! #dur "1s" {:else :late}
     (race! (await! (start! patient [(str me ".a")] {:on-parent-end :cancel}))
            (event/await-shared! (str me "/never"))
            (handed [1 me :never-done])
            (receive! :never)))
   (remote [2 me :after])])
"""

NEW_SOURCE = SOURCE.replace(":ended", ":ended-anew")
"""The same program with one function changed: what an operator moves runs to."""
