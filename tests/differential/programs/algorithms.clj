;;;; breadth-first-maze
(def maze ["S.#." "..#E" "...." ".#.."])
(def cells (into {} (for [[y row] (map-indexed vector maze) [x c] (map-indexed vector row)] [[x y] c])))
(defn locate [c] (first (keep (fn [[p v]] (when (= v c) p)) cells)))
(defn neighbours [[x y]] (filter #(not= \# (get cells % \#)) [[(inc x) y] [(dec x) y] [x (inc y)] [x (dec y)]]))
(defn bfs [start goal]
  (loop [queue [start] i 0 dist {start 0}]
    (let [cur (get queue i)]
      (cond (nil? cur) nil
            (= cur goal) (dist cur)
            :else (let [new (remove dist (neighbours cur))]
                    (recur (into queue new) (inc i) (into dist (map #(vector % (inc (dist cur))) new))))))))
(println (locate \S) (locate \E) (bfs (locate \S) (locate \E)))
;;;; dijkstra-sorted-set
(def graph {:a {:b 7 :c 9 :f 14} :b {:a 7 :c 10 :d 15} :c {:a 9 :b 10 :d 11 :f 2} :d {:b 15 :c 11 :e 6} :e {:d 6 :f 9} :f {:a 14 :c 2 :e 9}})
(defn dijkstra [g src]
  (loop [q (sorted-set [0 src]) done {}]
    (if-let [[d n] (first q)]
      (if (done n)
        (recur (disj q [d n]) done)
        (recur (into (disj q [d n]) (for [[m w] (g n) :when (not (done m))] [(+ d w) m])) (assoc done n d)))
      done)))
(println (into (sorted-map) (dijkstra graph :a)))
;;;; topological-sort
(defn topo [deps]
  (loop [deps deps order []]
    (if (empty? deps) order
      (let [ready (sort (for [[k v] deps :when (empty? v)] k))]
        (if (empty? ready) [:cycle (sort (keys deps))]
          (recur (into {} (for [[k v] (apply dissoc deps ready)] [k (reduce disj v ready)])) (into order ready)))))))
(println (topo {:shirt #{} :tie #{:shirt} :jacket #{:tie :belt} :belt #{:pants} :pants #{}}) (topo {:a #{:b} :b #{:a}}))
;;;; n-queens
(defn safe? [qs c] (every? (fn [[i q]] (and (not= q c) (not= (Math/abs (- q c)) (inc i)))) (map-indexed vector qs)))
(defn queens [n] (reduce (fn [sols _] (for [qs sols c (range n) :when (safe? qs c)] (cons c qs))) [()] (range n)))
(println (count (queens 5)) (first (queens 6)))
;;;; knapsack-dp
(defn knapsack [items cap]
  (peek (reduce (fn [row [w v]] (mapv (fn [c] (if (<= w c) (max (row c) (+ v (row (- c w)))) (row c))) (range (inc cap)))) (vec (repeat (inc cap) 0)) items)))
(println (knapsack [[1 1] [3 4] [4 5] [5 7]] 7) (knapsack [[10 60] [20 100] [30 120]] 50))
;;;; longest-common-subsequence
(def lcs (memoize (fn [a b] (cond (or (empty? a) (empty? b)) "" (= (first a) (first b)) (str (first a) (lcs (rest a) (rest b))) :else (max-key count (lcs (rest a) b) (lcs a (rest b)))))))
(println (count (lcs (seq "AGGTAB") (seq "GXTXAYB"))) (lcs (seq "abcbdab") (seq "bdcaba")))
;;;; coin-change
(defn ways [amount coins] (last (reduce (fn [w c] (reduce (fn [w i] (if (>= i c) (update w i + (w (- i c))) w)) w (range (inc amount)))) (into [1] (repeat amount 0)) coins)))
(println (ways 10 [1 2 5]) (ways 100 [1 5 10 25 50]))
;;;; quicksort-and-mergesort
(defn qs [[p & xs]] (if p (concat (qs (filter #(< % p) xs)) [p] (qs (remove #(< % p) xs))) []))
(defn merge* [a b] (cond (empty? a) b (empty? b) a (<= (first a) (first b)) (cons (first a) (lazy-seq (merge* (rest a) b))) :else (cons (first b) (lazy-seq (merge* a (rest b))))))
(defn ms [xs] (if (next xs) (apply merge* (map ms (split-at (quot (count xs) 2) xs))) xs))
(println (qs [3 1 4 1 5 9 2 6]) (ms [3 1 4 1 5 9 2 6]) (sort > [3 1 2]) (sort-by - [3 1 2]) (sort-by (juxt count identity) ["bb" "a" "ab" "c"]))
(println (sort (comparator (fn [a b] (> a b))) [1 3 2]) (sort #(compare (second %1) (second %2)) [[1 3] [2 1]]) (reverse (sort-by val {:a 1 :b 3 :c 2})))
;;;; union-find
(defn root [p x] (if (= x (p x x)) x (recur p (p x))))
(defn union [p [a b]] (let [ra (root p a) rb (root p b)] (if (= ra rb) p (assoc p ra rb))))
(let [p (reduce union {} [[1 2] [3 4] [2 3] [5 6]])] (println (= (root p 1) (root p 4)) (= (root p 1) (root p 5)) (count (set (map #(root p %) (range 1 8))))))
;;;; conways-with-iterate
(defn nbrs [[x y]] (for [dx [-1 0 1] dy (if (zero? dx) [-1 1] [-1 0 1])] [(+ dx x) (+ dy y)]))
(defn step [cells] (set (for [[loc n] (frequencies (mapcat nbrs cells)) :when (or (= n 3) (and (= n 2) (cells loc)))] loc)))
(println (sort (nth (iterate step #{[1 0] [1 1] [1 2]}) 3)) (count (nth (iterate step #{[0 1] [1 2] [2 0] [2 1] [2 2]}) 8)))
;;;; caesar-and-rot13
(defn shift [n c] (cond (<= (int \a) (int c) (int \z)) (char (+ 97 (mod (+ n (- (int c) 97)) 26))) (<= (int \A) (int c) (int \Z)) (char (+ 65 (mod (+ n (- (int c) 65)) 26))) :else c))
(def rot13 (comp (partial apply str) (partial map (partial shift 13))))
(println (rot13 "Hello, World!") (rot13 (rot13 "Hello")) (apply str (map #(shift 3 %) "xyz")))
;;;; run-length
(defn encode [s] (apply str (mapcat (fn [g] [(when (next g) (count g)) (first g)]) (partition-by identity s))))
(defn decode [s] (apply str (mapcat (fn [[_ n c]] (repeat (if (seq n) (Long/parseLong n) 1) c)) (re-seq #"(\d*)(\D)" s))))
(println (encode "WWWWBWWC") (decode (encode "aabcccd")) (= "zzz ZZ  zZ" (decode (encode "zzz ZZ  zZ"))))
;;;; luhn-and-isbn
(defn luhn? [s] (let [ds (map #(Character/digit % 10) (reverse (remove #{\space} s)))] (zero? (mod (reduce + (map-indexed (fn [i d] (if (odd? i) (let [x (* 2 d)] (if (> x 9) (- x 9) x)) d)) ds)) 10))))
(println (luhn? "4539 3195 0343 6467") (luhn? "8273 1232 7352 0569"))
;;;; number-to-words
(def small ["zero" "one" "two" "three" "four" "five" "six" "seven" "eight" "nine" "ten" "eleven" "twelve" "thirteen" "fourteen" "fifteen" "sixteen" "seventeen" "eighteen" "nineteen"])
(def tens [nil nil "twenty" "thirty" "forty" "fifty" "sixty" "seventy" "eighty" "ninety"])
(defn words [n] (cond (< n 20) (small n) (< n 100) (str (tens (quot n 10)) (when (pos? (rem n 10)) (str "-" (small (rem n 10))))) (< n 1000) (str (small (quot n 100)) " hundred" (when (pos? (rem n 100)) (str " " (words (rem n 100))))) :else (str (words (quot n 1000)) " thousand" (when (pos? (rem n 1000)) (str " " (words (rem n 1000)))))))
(run! (comp println words) [0 14 22 100 123 1234 987654])
;;;; matrix-determinant
(defn minor [m i] (mapv #(vec (concat (subvec % 0 i) (subvec % (inc i)))) (rest m)))
(defn det [m] (if (= 1 (count m)) (ffirst m) (reduce + (map-indexed (fn [i x] (* (if (even? i) 1 -1) x (det (minor m i)))) (first m)))))
(println (det [[1 2] [3 4]]) (det [[2 0 1] [1 3 2] [1 1 1]]))
;;;; permutations-combinations
(defn perms [xs] (if (empty? xs) [[]] (for [x xs p (perms (remove #{x} xs))] (cons x p))))
(defn combs [n xs] (cond (zero? n) [[]] (empty? xs) [] :else (concat (map #(cons (first xs) %) (combs (dec n) (rest xs))) (combs n (rest xs)))))
(println (perms [1 2 3]) (combs 2 [:a :b :c :d]) (count (perms (range 5))))
;;;; stack-machine
(def ops {'+ + '- - '* * '/ /})
(defn rpn [s] (reduce (fn [st t] (if-let [f (ops (symbol t))] (let [[b a & r] st] (cons (f a b) r)) (cons (Integer/parseInt t) st))) () (re-seq #"\S+" s)))
(println (rpn "3 4 + 2 *") (first (rpn "5 1 2 + 4 * + 3 -")))
;;;; assembly-interpreter
(defn run [prog]
  (loop [regs {} ip 0 steps 0]
    (if-let [[op & args] (get prog ip)]
      (let [v #(if (keyword? %) (get regs % 0) %)]
        (case op
          :mov (recur (assoc regs (first args) (v (second args))) (inc ip) (inc steps))
          :inc (recur (update regs (first args) (fnil inc 0)) (inc ip) (inc steps))
          :dec (recur (update regs (first args) (fnil dec 0)) (inc ip) (inc steps))
          :jnz (recur regs (if (zero? (v (first args))) (inc ip) (+ ip (v (second args)))) (inc steps))))
      [(into (sorted-map) regs) steps])))
(println (run [[:mov :a 5] [:inc :a] [:dec :a] [:dec :a] [:jnz :a -1] [:inc :b]]))
;;;; lisp-evaluator
(declare ev)
(def base {'+ + '- - '* * '< < '= =})
(defn ev [x env]
  (cond (symbol? x) (if (contains? env x) (env x) (throw (ex-info (str "unbound " x) {:sym x})))
        (not (seq? x)) x
        :else (let [[op & args] x]
                (case op
                  if (if (ev (first args) env) (ev (second args) env) (ev (nth args 2) env))
                  let (let [[[n v] body] args] (ev body (assoc env n (ev v env))))
                  fn (let [[ps body] args] (fn [& vs] (ev body (merge env (zipmap ps vs)))))
                  (apply (ev op env) (map #(ev % env) args))))))
(println (ev '(let (x 5) (+ x (* 2 3))) base) (ev '((fn (a b) (if (< a b) a b)) 3 2) base) (try (ev '(foo) base) (catch Exception e (ex-message e))))
;;;; parser-combinators
(defn item [s] (when (seq s) [(first s) (subs s 1)]))
(defn sat [p] (fn [s] (when-let [[c r] (item s)] (when (p c) [c r]))))
(defn many [p] (fn [s] (loop [acc [] s s] (if-let [[v r] (p s)] (recur (conj acc v) r) [acc s]))))
(defn fmap [f p] (fn [s] (when-let [[v r] (p s)] [(f v) r])))
(defn alt [& ps] (fn [s] (some #(% s) ps)))
(defn chain [& ps] (fn [s] (reduce (fn [[vs r] p] (if-let [[v r] (p r)] [(conj vs v) r] (reduced nil))) [[] s] ps)))
(def digit (sat #(Character/isDigit %)))
(def number (fmap #(Long/parseLong (apply str (flatten %))) (chain digit (many digit))))
(declare expr)
(def factor (alt number (fmap second (chain (sat #{\(}) #(expr %) (sat #{\)})))))
(defn binary [p ops] (fmap (fn [[a more]] (reduce (fn [a [o b]] ((ops o) a b)) a more)) (chain p (many (chain (sat (set (keys ops))) p)))))
(def term (binary factor {\* * \/ /}))
(def expr (binary term {\+ + \- -}))
(println (map (comp first expr) ["1+2*3" "(1+2)*3" "10/4-1" "2*(3+4)*5"]) (expr "x"))
;;;; json-writer
(defn json [x] (cond (nil? x) "null" (string? x) (str \" (clojure.string/escape x {\" "\\\"" \\ "\\\\" \newline "\\n"}) \") (keyword? x) (json (name x)) (map? x) (str "{" (clojure.string/join "," (for [[k v] x] (str (json k) ":" (json v)))) "}") (coll? x) (str "[" (clojure.string/join "," (map json x)) "]") :else (str x)))
(println (json {:a [1 2.5 nil true] :b "q\"x" "c" {:d []}}))
;;;; tokenizer-state-machine
(defn step [[state acc cur] c]
  (case state
    :out (cond (= c \") [:in acc ""] (= c \space) [:out acc ""] :else [:word acc (str c)])
    :word (if (= c \space) [:out (conj acc cur) ""] [:word acc (str cur c)])
    :in (if (= c \") [:out (conj acc cur) ""] [:in acc (str cur c)])))
(prn (let [[st acc cur] (reduce step [:out [] ""] "say \"hello world\" now")] (cond-> acc (= st :word) (conj cur))))
;;;; bank-event-sourcing
(defmulti apply-event (fn [_ e] (:type e)))
(defmethod apply-event :deposit [acc {:keys [amount]}] (update acc :balance + amount))
(defmethod apply-event :withdraw [acc {:keys [amount]}] (if (< (:balance acc) amount) (update acc :rejected conj amount) (update acc :balance - amount)))
(println (reduce apply-event {:balance 0 :rejected []} [{:type :deposit :amount 100} {:type :withdraw :amount 30} {:type :withdraw :amount 500}]))
(println (reductions + [100 -30 20]) (map :balance (reductions apply-event {:balance 0} [{:type :deposit :amount 5} {:type :deposit :amount 7}])))
;;;; word-frequency-report
(def text "the quick brown fox jumps over the lazy dog the fox")
(doseq [[w n] (->> (re-seq #"\w+" text) frequencies (sort-by (juxt (comp - val) key)) (take 4))] (println (format "%-6s %s %d" w (apply str (repeat n "*")) n)))
;;;; aoc-style-lines
(def input "forward 5\ndown 5\nforward 8\nup 3\ndown 8\nforward 2")
(def moves (for [[_ d n] (re-seq #"(\w+) (\d+)" input)] [(keyword d) (parse-long n)]))
(println (apply * (vals (reduce (fn [p [d n]] (case d :forward (update p :x + n) :down (update p :y + n) :up (update p :y - n))) {:x 0 :y 0} moves))))
(println (->> "199\n200\n208\n210\n200" clojure.string/split-lines (map parse-long) (partition 2 1) (filter (fn [[a b]] (< a b))) count))
(let [[nums & boards] (clojure.string/split "7,4\n\n1 2\n3 4\n\n5 6\n7 8" #"\n\n")] (println nums (mapv #(mapv parse-long (re-seq #"\d+" %)) boards)))
;;;; aoc-binary-and-grid
(def report ["00100" "11110" "10110" "10111"])
(def gamma (->> report (apply map vector) (map frequencies) (map #(if (>= (% \1 0) (% \0 0)) \1 \0)) (apply str)))
(println gamma (Long/parseLong gamma 2) (Integer/parseInt "11111" 2) (bit-xor 31 (Integer/parseInt gamma 2)))
(def g (mapv (partial mapv #(Character/digit % 10)) ["219" "398" "985"]))
(println (for [y (range 3) x (range 3) :let [v (get-in g [y x])] :when (every? #(< v (get-in g % 10)) [[(inc y) x] [(dec y) x] [y (inc x)] [y (dec x)]])] [x y v]))
