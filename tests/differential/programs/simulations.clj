;;;; brainfuck-interpreter
(defn match-brackets [program]
  (loop [i 0 stack [] pairs {}]
    (if (= i (count program))
      (if (empty? stack) pairs (throw (ex-info "unbalanced" {:open stack})))
      (case (nth program i)
        \[ (recur (inc i) (conj stack i) pairs)
        \] (if-let [open (peek stack)]
             (recur (inc i) (pop stack) (assoc pairs i open open i))
             (throw (ex-info "unbalanced" {:close i})))
        (recur (inc i) stack pairs)))))

(defn run-bf [program input]
  (let [jumps (match-brackets program)]
    (loop [pc 0 ptr 0 cells {} in (seq input) out []]
      (if (>= pc (count program))
        (apply str out)
        (case (nth program pc)
          \> (recur (inc pc) (inc ptr) cells in out)
          \< (recur (inc pc) (dec ptr) cells in out)
          \+ (recur (inc pc) ptr (update cells ptr #(mod (inc (or % 0)) 256)) in out)
          \- (recur (inc pc) ptr (update cells ptr #(mod (dec (or % 0)) 256)) in out)
          \. (recur (inc pc) ptr cells in (conj out (char (get cells ptr 0))))
          \, (recur (inc pc) ptr (assoc cells ptr (int (or (first in) 0))) (next in) out)
          \[ (recur (if (zero? (get cells ptr 0)) (inc (jumps pc)) (inc pc)) ptr cells in out)
          \] (recur (if (zero? (get cells ptr 0)) (inc pc) (inc (jumps pc))) ptr cells in out)
          (recur (inc pc) ptr cells in out))))))
(println (run-bf "++++++++[>++++++++<-]>+." ""))
(println (run-bf ",[.,]" "echo"))
(println (run-bf "++[>+++[>++<-]<-]>>[-<+>]<." ""))
;;;; forth-machine
(ns forth (:require [clojure.string :as str]))
(defn binary [f] (fn [{:keys [stack] :as state}]
  (when (< (count stack) 2) (throw (ex-info "stack underflow" {:stack stack})))
  (let [[a b] (take-last 2 stack)]
    (assoc state :stack (conj (vec (drop-last 2 stack)) (f a b))))))
(def builtins
  {"+" (binary +) "-" (binary -) "*" (binary *)
   "/" (binary (fn [a b] (if (zero? b) (throw (ArithmeticException. "division by zero")) (quot a b))))
   "dup" (fn [s] (update s :stack #(conj % (peek %))))
   "drop" (fn [s] (update s :stack pop))
   "swap" (fn [s] (update s :stack (fn [st] (let [[a b] (take-last 2 st)] (into (vec (drop-last 2 st)) [b a])))))
   "over" (fn [s] (update s :stack (fn [st] (conj st (nth st (- (count st) 2))))))})
(declare run-words)
(defn step [{:keys [words] :as state} word]
  (let [word (str/lower-case word)]
    (cond
      (contains? words word) (run-words state (words word))
      (builtins word) ((builtins word) state)
      (re-matches #"-?\d+" word) (update state :stack conj (Long/parseLong word))
      :else (throw (ex-info (str "undefined operation: " word) {:word word})))))
(defn run-words [state tokens]
  (loop [state state [t & more] tokens]
    (cond
      (nil? t) state
      (= t ":") (let [[definition [_ & others]] (split-with (complement #{";"}) more)
                      [name & body] definition]
                  (recur (assoc-in state [:words (str/lower-case name)] (vec body)) others))
      :else (recur (step state t) more))))
(defn forth [& lines]
  (try (:stack (run-words {:stack [] :words {}} (mapcat #(str/split % #"\s+") lines)))
       (catch ArithmeticException e (str "arithmetic: " (ex-message e)))
       (catch clojure.lang.ExceptionInfo e [(ex-message e) (ex-data e)])))
(println (forth "1 2 + 4 -"))
(println (forth ": square dup * ;" "3 square 2 swap" "over"))
(println (forth "1 0 /"))
(println (forth "1 +"))
(println (forth ": foo 10 ;" ": bar foo 1 + ;" "bar FOO"))
(println (forth "1 frobnicate"))
(println (forth "-5 3 * dup drop"))
;;;; tiny-lisp
(ns tiny-lisp)
(def global
  {'+ + '- - '* * '< < '= = 'list list 'car first 'cdr rest 'cons cons 'null? empty?})
(defn lookup [env sym]
  (if-let [[_ v] (find env sym)] v (throw (ex-info (str "unbound: " sym) {:sym sym}))))
(defn ev [env form]
  (cond
    (symbol? form) (lookup env form)
    (not (seq? form)) form
    :else
    (let [[op & args] form]
      (case op
        quote (first args)
        if (let [[c t e] args] (if (ev env c) (ev env t) (ev env e)))
        let (let [[bindings & body] args]
              (last (map #(ev (reduce (fn [env [k v]] (assoc env k (ev env v))) env (partition 2 bindings)) %) body)))
        lambda (let [[params & body] args]
                 (fn [& xs] (last (map (partial ev (merge env (zipmap params xs))) body))))
        letrec (let [[[name value] body] args
                     cell (atom nil)
                     env (assoc env name (fn [& xs] (apply @cell xs)))]
                 (reset! cell (ev env value))
                 (ev env body))
        (apply (ev env op) (map #(ev env %) args))))))
(println (ev global '(+ 1 (* 2 3))))
(println (ev global '((lambda (x y) (list x y (+ x y))) 3 4)))
(println (ev global '(letrec (fact (lambda (n) (if (< n 2) 1 (* n (fact (- n 1)))))) (fact 10))))
(println (ev global '(letrec (fib (lambda (n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))) (list (fib 5) (fib 7)))))
(println (ev global '(let (a 1 b (+ a 1)) (cons a (cons b (quote (c)))))))
(println (try (ev global '(foo 1)) (catch Exception e (ex-data e))))
;;;; game-of-life
(ns life (:require [clojure.string :as str]))
(defn neighbours [[x y]]
  (for [dx [-1 0 1] dy [-1 0 1] :when (not= 0 dx dy)] [(+ x dx) (+ y dy)]))
(defn life-step [cells]
  (set (for [[loc n] (frequencies (mapcat neighbours cells))
             :when (or (= n 3) (and (= n 2) (cells loc)))] loc)))
(defn parse [s]
  (set (for [[y line] (map-indexed vector (str/split-lines s)) [x c] (map-indexed vector line) :when (= c \#)] [x y])))
(defn show [cells w h]
  (str/join "\n" (for [y (range h)] (apply str (for [x (range w)] (if (cells [x y]) "#" "."))))))
(let [glider (parse ".#.\n..#\n###")]
  (doseq [[i g] (map-indexed vector (take 4 (iterate life-step glider)))]
    (println "gen" i) (println (show g 5 5)))
  (println (sort (nth (iterate life-step glider) 8))))
(println (sort-by (juxt second first) (life-step (parse "...\n###\n..."))))
;;;; sudoku
(ns sudoku (:require [clojure.set :as set] [clojure.string :as str]))
(def board
  ["53..78912" "6721953.8" "1983.2567" "85976.423" "4268537.1" "71392485." "961537284" "287419.35" "34528.179"])
(def grid (mapv (fn [row] (mapv #(if (= % \.) 0 (Character/digit % 10)) row)) board))
(defn row-vals [g r] (set (g r)))
(defn col-vals [g c] (set (map #(nth % c) g)))
(defn box-vals [g r c]
  (let [r0 (* 3 (quot r 3)) c0 (* 3 (quot c 3))]
    (set (mapcat #(subvec % c0 (+ c0 3)) (subvec g r0 (+ r0 3))))))
(defn candidates [g r c]
  (if (zero? (get-in g [r c]))
    (set/difference (set (range 1 10)) (row-vals g r) (col-vals g c) (box-vals g r c))
    #{}))
(defn solve [g]
  (let [open (for [r (range 9) c (range 9) :when (zero? (get-in g [r c]))] [r c])]
    (if (empty? open)
      g
      (let [[r c] (apply min-key (fn [[r c]] (count (candidates g r c))) open)]
        (some (fn [v] (solve (assoc-in g [r c] v))) (sort (candidates g r c)))))))
(doseq [row (solve grid)] (println (str/join " " row)))
(println (sort (candidates grid 0 2)))
;;;; n-queens
(defn safe? [queens col]
  (every? (fn [[i q]] (and (not= q col) (not= (inc i) (Math/abs (- q col)))))
          (map-indexed vector (rseq queens))))
(defn queens [n]
  (letfn [(place [qs]
            (if (= n (count qs))
              [qs]
              (for [c (range n) :when (or (empty? qs) (safe? qs c)) s (place (conj qs c))] s)))]
    (place [])))
(println (count (queens 5)) (first (queens 5)))
(println (map (comp count queens) (range 1 6)))
(doseq [q (first (queens 5))] (println (apply str (assoc (vec (repeat 5 \.)) q \Q))))
;;;; dijkstra-sorted-set
(def graph {:a {:b 7 :c 9 :f 14} :b {:a 7 :c 10 :d 15} :c {:a 9 :b 10 :d 11 :f 2} :d {:b 15 :c 11 :e 6} :e {:d 6 :f 9} :f {:a 14 :c 2 :e 9}})
(defn dijkstra [g source]
  (loop [queue (sorted-set [0 source]) dist {source 0} prev {}]
    (if-let [[d u :as entry] (first queue)]
      (let [better (for [[v w] (g u) :let [nd (+ d w)] :when (< nd (get dist v Long/MAX_VALUE))] [v nd])]
        (recur (into (reduce (fn [q [v _]] (if-let [old (dist v)] (disj q [old v]) q)) (disj queue entry) better)
                     (map (fn [[v nd]] [nd v]) better))
               (into dist better)
               (into prev (map (fn [[v _]] [v u]) better))))
      {:dist dist :prev prev})))
(defn path-to [{:keys [prev]} target] (reverse (take-while some? (iterate prev target))))
(let [r (dijkstra graph :a)]
  (println (into (sorted-map) (:dist r)))
  (println (path-to r :e)))
;;;; a-star-grid
(ns astar (:require [clojure.string :as str]))
(def maze ["S..#...." ".#.#.##." ".#...#.." ".####.#." "......#E"])
(def cells (into {} (for [[r row] (map-indexed vector maze) [c ch] (map-indexed vector row)] [[r c] ch])))
(def start (some (fn [[k v]] (when (= v \S) k)) cells))
(def goal (some (fn [[k v]] (when (= v \E) k)) cells))
(defn h [[r c]] (let [[gr gc] goal] (+ (abs (- r gr)) (abs (- c gc)))))
(defn nbrs [[r c]] (filter #(and (cells %) (not= \# (cells %))) [[(dec r) c] [(inc r) c] [r (dec c)] [r (inc c)]]))
(defn search []
  (loop [open (sorted-map [(h start) start] [0 [start]]) seen #{}]
    (when-let [[[_ p :as k] [g path]] (first open)]
      (cond (= p goal) path
            (seen p) (recur (dissoc open k) seen)
            :else (recur (reduce (fn [o n] (let [k [(+ g 1 (h n)) n]] (if (seen n) o (assoc o k [(inc g) (conj path n)]))))
                                 (dissoc open k) (nbrs p))
                         (conj seen p))))))
(let [path (search)]
  (println (count path) (first path) (peek path))
  (doseq [[r row] (map-indexed vector maze)]
    (println (str/join (map-indexed (fn [c ch] (if (and (= ch \.) (some #{[r c]} path)) \* ch)) row)))))
;;;; union-find-kruskal
(defprotocol Sets (root [this x]) (join [this a b]) (groups [this]))
(defrecord Forest [parent size]
  Sets
  (root [this x] (let [p (get parent x x)] (if (= p x) x (recur p))))
  (join [this a b]
    (let [ra (root this a) rb (root this b)]
      (if (= ra rb) this
        (let [[small big] (sort-by #(get size % 1) [ra rb])]
          (-> this (assoc-in [:parent small] big)
              (assoc-in [:size big] (+ (get size small 1) (get size big 1))))))))
  (groups [this] (vals (group-by #(root this %) (sort (distinct (mapcat identity parent)))))))
(def edges [[:a :b 4] [:b :c 8] [:c :d 7] [:d :e 9] [:e :f 10] [:f :g 2] [:g :h 1] [:h :a 8] [:b :h 11] [:h :i 7] [:c :i 2] [:c :f 4] [:d :f 14]])
(let [[tree forest]
      (reduce (fn [[tree f] [a b w]] (if (= (root f a) (root f b)) [tree f] [(conj tree [a b w]) (join f a b)]))
              [[] (->Forest {} {})] (sort-by last edges))]
  (println (reduce + (map last tree)) tree)
  (println (groups forest)))
;;;; bank-account-watches
(def account (atom {:balance 0 :log []} :validator #(>= (:balance %) 0)))
(def events (atom []))
(add-watch account :audit (fn [k r old new] (swap! events conj [k (:balance old) (:balance new)])))
(add-watch account :alarm (fn [_ _ {o :balance} {n :balance}] (when (< n 10 o) (println "low balance" n))))
(defn deposit [n] (swap! account #(-> % (update :balance + n) (update :log conj [:deposit n]))))
(defn withdraw [n]
  (try (swap! account #(-> % (update :balance - n) (update :log conj [:withdraw n]))) :ok
       (catch IllegalStateException e :refused)))
(deposit 100)
(println (withdraw 30) (withdraw 500) (withdraw 65))
(println @account)
(remove-watch account :audit)
(deposit 1)
(println @events)
;;;; knapsack-and-lcs
(def items [[:map 9 150] [:compass 13 35] [:water 153 200] [:sandwich 50 160] [:glucose 15 60] [:tin 68 45] [:banana 27 60]])
(def best
  (memoize (fn [i w]
    (cond (neg? i) [0 []]
          :else (let [[n wt v] (items i) skip (best (dec i) w)]
                  (if (> wt w) skip
                    (let [[tv ts] (best (dec i) (- w wt)) take [(+ tv v) (conj ts n)]]
                      (if (> (first take) (first skip)) take skip))))))))
(println (best (dec (count items)) 200) (best (dec (count items)) 90))
(defn lcs [a b]
  (let [table (reduce (fn [t [i j]]
                        (assoc t [i j] (if (= (nth a (dec i)) (nth b (dec j)))
                                         (conj (get t [(dec i) (dec j)] []) (nth a (dec i)))
                                         (max-key count (get t [(dec i) j] []) (get t [i (dec j)] [])))))
                      {} (for [i (range 1 (inc (count a))) j (range 1 (inc (count b)))] [i j]))]
    (apply str (get table [(count a) (count b)]))))
(println (lcs "nematode knowledge" "empty bottle") (pr-str (lcs "abc" "xyz")))
(defn levenshtein [a b]
  (peek (reduce (fn [row [i ca]]
                  (reduce (fn [r [j cb]]
                            (conj r (min (inc (peek r)) (inc (row (inc j))) (+ (row j) (if (= ca cb) 0 1)))))
                          [(inc i)] (map-indexed vector b)))
                (vec (range (inc (count b)))) (map-indexed vector a))))
(println (map (partial apply levenshtein) [["kitten" "sitting"] ["saturday" "sunday"] ["" "abc"] ["same" "same"]]))
