;;;; inventory-with-hierarchy
(derive ::tea ::drink) (derive ::coffee ::drink) (derive ::drink ::food) (derive ::cake ::food)
(defmulti tax :kind)
(defmethod tax ::food [{:keys [price]}] (quot (* price 7) 100))
(defmethod tax ::coffee [{:keys [price]}] (quot (* price 19) 100))
(defmethod tax :default [_] 0)
(defn add [inv {:keys [sku qty] :as item}] (update inv sku (fnil #(update % :qty + qty) (assoc item :qty 0))))
(def inv (reduce add {} [{:sku 1 :kind ::tea :price 300 :qty 2} {:sku 2 :kind ::coffee :price 400 :qty 1} {:sku 1 :kind ::tea :price 300 :qty 3} {:sku 3 :kind ::book :price 1000 :qty 1}]))
(doseq [[sku {:keys [kind price qty] :as item}] (sort inv)]
  (println sku (name kind) qty (* price qty) (tax item)))
(println (reduce-kv (fn [acc _ {:keys [price qty]}] (+ acc (* price qty))) 0 inv))
(println (map name (sort (descendants ::food))) (isa? ::tea ::food) (isa? [::tea ::cake] [::drink ::food]))
(println (into (sorted-map) (map (fn [[k v]] [(name k) (map :sku v)])) (group-by :kind (vals inv))))
;;;; event-system
(defprotocol Handler (handle [this event]))
(defrecord Counter [state] Handler (handle [_ {:keys [type]}] (swap! state update type (fnil inc 0))))
(defrecord Logger [lines prefix] Handler (handle [_ e] (swap! lines conj (str prefix (:type e) (when-let [d (:data e)] (str " " (pr-str d)))))))
(extend-protocol Handler clojure.lang.Fn (handle [f e] (f e)) nil (handle [_ _] nil))
(def bus (atom {}))
(defn on [type h] (swap! bus update type (fnil conj []) h))
(defn emit [type & {:as data}] (doseq [h (concat (@bus type) (@bus :all))] (handle h {:type type :data data})))
(let [c (->Counter (atom {})) l (map->Logger {:lines (atom []) :prefix "> "}) seen (atom 0)]
  (on :all c) (on :login l) (on :login (fn [e] (swap! seen + (get-in e [:data :n] 1)))) (on :logout nil)
  (emit :login :user "ada" :n 3) (emit :login) (emit :logout)
  (println @(:state c) @seen) (run! println @(:lines l))
  (println (satisfies? Handler c) (:prefix l) (= c (assoc c :state (:state c))) (instance? Counter c)))
;;;; matrices
(defn mmul [a b] (let [cols (apply map vector b)] (mapv (fn [row] (mapv (fn [col] (reduce + (map * row col))) cols)) a)))
(defn identity-m [n] (vec (for [i (range n)] (vec (for [j (range n)] (if (= i j) 1 0))))))
(defn mpow [m n] (loop [r (identity-m (count m)) m m n n] (if (zero? n) r (recur (if (odd? n) (mmul r m) r) (mmul m m) (quot n 2)))))
(defn minor [m i j] (mapv #(into (subvec % 0 j) (subvec % (inc j))) (into (subvec m 0 i) (subvec m (inc i)))))
(defn det [m] (if (= 1 (count m)) (ffirst m) (reduce + (map-indexed (fn [j x] (* (if (even? j) 1 -1) x (det (minor m 0 j)))) (first m)))))
(println (mmul [[1 2] [3 4]] [[5 6] [7 8]]) (mpow [[1 1] [1 0]] 30))
(println (det [[2 0 1] [1 3 2] [1 1 4]]) (apply mapv vector [[1 2 3] [4 5 6]]))
(defn rotate [m] (mapv (comp vec rseq) (apply mapv vector m)))
(println (rotate [[1 2 3] [4 5 6] [7 8 9]]) (= [[1 2] [3 4]] (nth (iterate rotate [[1 2] [3 4]]) 4)))
(defn spiral [m] (when (seq m) (concat (first m) (lazy-seq (when (next m) (spiral (reverse (apply map vector (rest m)))))))))
(println (spiral [[1 2 3] [4 5 6] [7 8 9]]))
;;;; html-builder-macro
(require '[clojure.string :as str])
(defn esc [s] (str/escape (str s) {\< "&lt;" \> "&gt;" \& "&amp;"}))
(defn attrs [m] (apply str (for [[k v] m] (format " %s=\"%s\"" (name k) (esc v)))))
(declare render)
(defn element [[tag & body]]
  (let [[_ t id cls] (re-matches #"([a-z0-9]+)(?:#([\w-]+))?((?:\.[\w-]+)*)" (name tag))
        [m body] (if (map? (first body)) [(first body) (rest body)] [{} body])
        m (merge (cond-> {} id (assoc :id id) (seq cls) (assoc :class (str/join " " (rest (str/split cls #"\."))))) m)]
    (if (empty? body) (str "<" t (attrs m) "/>") (str "<" t (attrs m) ">" (apply str (map render body)) "</" t ">"))))
(defn render [x] (cond (vector? x) (element x) (seq? x) (apply str (map render x)) (nil? x) "" :else (esc x)))
(defmacro defpage [name args & body] `(defn ~name ~args (render [:html [:body ~@body]])))
(defpage index [user items] [:h1#top.big.red "Hi " user "!"] [:ul (for [i items] [:li {:data-n i} (* i i)])] [:br])
(println (index "<Ada>" (range 3)))
;;;; infix-and-state-machine-macros
(def prec {'+ 1 '- 1 '* 2 '/ 2})
(defn to-prefix [form]
  (if-not (sequential? form) form
    (loop [out [] ops [] [t & more :as ts] form]
      (letfn [(apply-op [out op] (conj (pop (pop out)) (list op (peek (pop out)) (peek out))))]
        (cond (empty? ts) (first (reduce apply-op out (rseq (vec ops))))
              (prec t) (if (and (peek ops) (>= (prec (peek ops)) (prec t))) (recur (apply-op out (peek ops)) (pop ops) ts) (recur out (conj ops t) more))
              :else (recur (conj out (to-prefix t)) ops more))))))
(defmacro infix [& form] (to-prefix form))
(println (infix 1 + 2 * 3) (infix (1 + 2) * 3) (infix 10 - 4 - 3) (infix 2 * (3 + 4 * 5) / 2))
(defmacro machine [name & rules]
  (let [table (reduce (fn [m [from _ event _ to]] (assoc-in m [from event] to)) {} (partition 5 rules))]
    `(defn ~name ([state# event#] (get-in '~table [state# event#] :error)) ([] '~table))))
(machine door :open - close -> :closed :closed - open -> :open :closed - lock -> :locked :locked - unlock -> :closed)
(println (reductions door :open '[close lock unlock open]) (door :open 'lock) (count (door)))
(defmacro locals [] (into {} (map (fn [s] [(keyword s) s])) (keys &env)))
(let [a 1 b (inc a)] (println (into (sorted-map) (locals))))
(defmacro my-> [x & forms] (reduce (fn [acc f] (if (seq? f) `(~(first f) ~acc ~@(rest f)) (list f acc))) x forms))
(println (my-> 5 inc (* 2) (- 3) str))
(defmacro unless [c & body] `(if ~c nil (do ~@body)))
(defmacro swap-names [[a b] & body] `(let [t# ~a] (let [~a ~b ~b t#] ~@body)))
(let [x 1 y 2] (println (unless false :ran) (swap-names [x y] [x y])))
;;;; transducers-by-hand
(defn my-map [f] (fn [rf] (fn ([] (rf)) ([r] (rf r)) ([r x] (rf r (f x))))))
(defn windows [n] (fn [rf] (let [buf (volatile! [])] (fn ([] (rf)) ([r] (rf r)) ([r x] (let [b (vswap! buf #(vec (take-last n (conj % x))))] (if (= n (count b)) (rf r b) r)))))))
(defn until [pred] (fn [rf] (fn ([] (rf)) ([r] (rf r)) ([r x] (if (pred x) (reduced (rf r x)) (rf r x))))))
(println (into [] (comp (my-map inc) (windows 3) (my-map #(reduce + %))) (range 8)))
(println (transduce (comp (until #(> % 5)) (my-map #(* % %))) + 0 (range)) (sequence (comp (partition-all 3) (map vec) cat (dedupe)) [1 1 2 2 3 1 1]))
(println (into [] (eduction (filter odd?) (map inc) (range 10))) (transduce (take 3) conj (iterate inc 1)))
(println (into {} (comp (map-indexed (fn [i x] [x i])) (remove (comp odd? val (fn [[k v]] (first {k v}))))) "abcd"))
;;;; flood-fill-intervals-bitmask
(def grid ["..##." ".#..#" "##.##" "....."])
(defn at [[r c]] (get-in grid [r c]))
(defn fill [start] (loop [q [start] seen #{start}]
  (if-let [[r c] (first q)]
    (let [ns (for [[dr dc] [[0 1] [1 0] [0 -1] [-1 0]] :let [p [(+ r dr) (+ c dc)]] :when (and (= \. (at p)) (not (seen p)))] p)] (recur (into (subvec q 1) ns) (into seen ns))) seen)))
(println (sort (fill [0 0])) (count (fill [3 0])))
(defn merge-intervals [is] (reduce (fn [acc [s e]] (let [[ls le] (peek acc)] (if (and le (<= s le)) (conj (pop acc) [ls (max le e)]) (conj acc [s e])))) [] (sort is)))
(println (merge-intervals [[8 10] [1 3] [2 6] [15 18] [17 20]]))
(def dist [[0 10 15 20] [10 0 35 25] [15 35 0 30] [20 25 30 0]])
(def tsp (memoize (fn [mask pos] (if (= mask 15) (get-in dist [pos 0])
  (apply min (for [c (range 4) :when (not (bit-test mask c))] (+ (get-in dist [pos c]) (tsp (bit-set mask c) c))))))))
(println (tsp 1 0) (map #(Integer/toBinaryString %) [5 10]) (Long/bitCount 255) (bit-xor 6 3) (bit-shift-left 1 10))
;;;; pretty-tables
(require '[clojure.pprint :refer [pprint print-table cl-format]])
(print-table [:name :qty] [{:name "tea" :qty 3 :x 1} {:name "coffee" :qty 12}])
(pprint {:a (range 30) :b {:c "some longer text here" :d [:x :y {:deep "another long string of text"}]} :e #{1}})
(pprint (mapv #(zipmap [:id :title :tags] [% (str "title " %) (repeat % :tag)]) (range 4)))
(pprint '(defn f [x] (let [y (inc x)] (* y 2))))
(doseq [[n p] [["apple" 1.5] ["kiwi" 12.25]]] (println (format "|%-8s|%8.2f|%05d|%+d|%x|" n p (count n) 5 255)))
(cl-format true "~{~{~8a~8d~8,2f~%~}~}" [["x" 1 2.5] ["yy" 20 3.14159]])
